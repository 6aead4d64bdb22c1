// The folder of a training run: checkpoints that are either whole or not there.
//   run.toml  metrics.jsonl  latest  checkpoints/step-N/{…, checksums.json}  checkpoints/best
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/numeric.h"

namespace lathe {

// CRC-32 (zlib's) of a file.
uint32_t file_checksum(const std::string& path);

// The model directory that `path` names: itself, or, where it is a run directory, its newest whole
// checkpoint. Error where it is neither.
std::string model_directory(const std::string& path);

class RunDirectory {
 public:
  // Creates the folder where it is missing.
  explicit RunDirectory(std::string path);

  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::string checkpoint(i64 step) const;

  // Steps that have a folder, ascending, whole or not.
  std::vector<i64> steps() const;

  // Lets `fill` write files into a folder beside the final one, adds checksums.json, flushes all of
  // it to the disk, renames it to checkpoint(step) and points `latest` at it. If anything throws,
  // nothing is left behind and earlier checkpoints are untouched.
  void publish(i64 step, const std::function<void(const std::string& folder)>& fill) const;

  // Why the checkpoint cannot be used, or nothing if every file is there with its checksum.
  std::optional<std::string> damage(i64 step) const;

  // The newest step whose checkpoint is whole; `say` is told of each damaged one passed over.
  std::optional<i64> newest_whole(const std::function<void(const std::string&)>& say) const;

  // Removes all but the newest `keep` checkpoints and `best` (-1: none).
  void prune(i64 keep, i64 best) const;

 private:
  std::string path_;
};

}  // namespace lathe
