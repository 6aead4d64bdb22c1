// The folder of a training run: checkpoints that are either whole or not there.
//   run.toml  metrics.jsonl  latest  checkpoints/step-N/{…, checksums.json}  checkpoints/best
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/numeric.h"

namespace lathe {

// Names in a run directory; those of a checkpoint that are no model's are in its step's folder.
inline constexpr const char* kRunFile = "run.toml";
inline constexpr const char* kMetricsFile = "metrics.jsonl";
inline constexpr const char* kTrainerFile = "trainer.json";
inline constexpr const char* kTrainerTensorsFile = "trainer.safetensors";

// checksums.json: {"name of a file in the folder": its checksum, …}, at least one. Throws Error
// naming `where`.
std::map<std::string, uint32_t> parse_checksums(std::string_view text, const std::string& where);

// Told of each damaged checkpoint that is passed over.
using SayDamaged = std::function<void(const std::string&)>;

// The model directory that `path` names: itself, or, where it is a run directory, its newest whole
// checkpoint. Error where it is neither.
std::string model_directory(const std::string& path, const SayDamaged& say = nullptr);

// Whether there is a checkpoint in the folder, whole or not, or a word of one (`latest`).
bool holds_run(const std::string& path);

class RunDirectory {
 public:
  // Looks at nothing and makes nothing.
  explicit RunDirectory(std::string path) : path_(std::move(path)) {}

  // Makes the folder where it is missing; publish() does too.
  void create() const;

  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::string checkpoint(i64 step) const;

  // Steps that have a folder, ascending, whole or not.
  std::vector<i64> steps() const;

  // Lets `fill` write files into a folder beside the final one, adds checksums.json, flushes all of
  // it to the disk, renames it to checkpoint(step) and points `latest` at it. If anything throws,
  // nothing is left behind and earlier checkpoints are untouched.
  void publish(i64 step, const std::function<void(const std::string& folder)>& fill);

  // Why the checkpoint cannot be used, or nothing if every file is there with its checksum.
  std::optional<std::string> damage(i64 step) const;

  // The newest step whose checkpoint is whole.
  std::optional<i64> newest_whole(const SayDamaged& say);

  // Removes what a process that was killed while it published has left. For whoever holds the
  // folder's lock.
  void remove_unfinished() const;

  // Removes the checkpoints that are older than the newest `keep` whole ones, but not `best` (-1:
  // none). Damaged ones do not count as kept; they go when they are old enough. A checkpoint that
  // this object has published, or has once found whole, is taken for whole without reading it
  // again: only what an earlier process left costs a reading, once.
  void prune(i64 keep, i64 best);

 private:
  // As damage(), from memory where the answer is known.
  bool is_whole(i64 step);

  std::string path_;
  std::map<i64, bool> known_whole_;  // by step
};

}  // namespace lathe
