#include "run/run_directory.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/checksum.h"
#include "base/config_tree.h"
#include "weights/model_directory.h"

namespace lathe {

namespace fs = std::filesystem;

namespace {

constexpr const char* kChecksums = "checksums.json";
constexpr const char* kUnfinished = ".unfinished-";

void make_folder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail("[run] cannot make the folder {}: {}", path, error.message());
}

// Removes a folder on the way out unless it was kept.
struct FolderGuard {
  std::string path;
  ~FolderGuard() {
    std::error_code ignored;
    if (!path.empty()) fs::remove_all(path, ignored);
  }
};

}  // namespace

std::map<std::string, uint32_t> parse_checksums(std::string_view text, const std::string& where) {
  const Json root = parse_json(text, where);
  if (!root.is_object() || root.empty()) {
    fail("[run] {}: not an object of file names and checksums", where);
  }
  std::map<std::string, uint32_t> sums;
  for (const auto& [name, sum] : root.items()) {
    if (!is_plain_file_name(name)) {
      fail("[run] {}: '{}' is no name of a file in the folder", where, name.c_str());
    }
    if (!sum.is_number_unsigned() || sum.get<uint64_t>() > UINT32_MAX) {
      fail("[run] {}: '{}' has no checksum, expected a whole number of 32 bits", where, name);
    }
    sums.emplace(name, static_cast<uint32_t>(sum.get<uint64_t>()));
  }
  return sums;
}

std::string model_directory(const std::string& path, const SayDamaged& say) {
  std::error_code ignored;
  if (fs::exists(fs::path(path) / kConfigFile, ignored)) return path;
  if (!fs::is_directory(path, ignored)) fail("[model] {}: no such model or run directory", path);
  if (!fs::is_directory(path + "/checkpoints", ignored)) {
    fail("[model] {} holds neither a config.json (a model directory) nor checkpoints (a run)",
         path);
  }
  RunDirectory run(path);
  const auto step = run.newest_whole(say);
  if (!step) fail("[model] the run {} has no whole checkpoint yet", path);
  return run.checkpoint(*step);
}

namespace {

// Steps of the folder's checkpoints, ascending.
std::vector<i64> steps_in(const std::string& checkpoints, std::error_code& error) {
  std::vector<i64> list;
  for (fs::directory_iterator it(checkpoints, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with("step-")) continue;
    i64 step = 0;
    const auto [stop, status] = std::from_chars(name.data() + 5, name.data() + name.size(), step);
    if (status == std::errc() && stop == name.data() + name.size()) list.push_back(step);
  }
  std::sort(list.begin(), list.end());
  return list;
}

}  // namespace

bool holds_run(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path + "/latest", ignored) || !steps_in(path + "/checkpoints", ignored).empty();
}

void RunDirectory::create() const { make_folder(file("checkpoints")); }

std::string RunDirectory::checkpoint(i64 step) const {
  return file("checkpoints/step-" + std::to_string(step));
}

std::vector<i64> RunDirectory::steps() const {
  std::error_code error;
  const std::vector<i64> list = steps_in(file("checkpoints"), error);
  const bool missing = error == std::errc::no_such_file_or_directory;
  if (error && !missing) fail("[run] cannot list {}: {}", file("checkpoints"), error.message());
  return list;
}

void RunDirectory::remove_unfinished() const {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(file("checkpoints"), ignored)) {
    if (entry.path().filename().string().starts_with(kUnfinished)) {
      fs::remove_all(entry.path(), ignored);
    }
  }
}

void RunDirectory::publish(i64 step, const std::function<void(const std::string& folder)>& fill) {
  create();
  const std::string unfinished =
      file("checkpoints/" + std::string(kUnfinished) + std::to_string(step));
  std::error_code ignored;
  fs::remove_all(unfinished, ignored);  // of a run that was killed
  FolderGuard guard{unfinished};
  make_folder(unfinished);
  fill(unfinished);
  Json sums = Json::object();
  for (const auto& entry : fs::directory_iterator(unfinished)) {
    sums[entry.path().filename().string()] = file_checksum(entry.path().string());
  }
  write_file_atomically(unfinished + "/" + kChecksums, sums.dump(1) + "\n");
  sync_folder(unfinished);
  const std::string target = checkpoint(step);
  std::error_code error;
  fs::remove_all(target, ignored);  // a damaged one of the same step
  fs::rename(unfinished, target, error);
  if (error) fail("[run] cannot rename {} to {}: {}", unfinished, target, error.message());
  guard.path.clear();
  known_whole_[step] = true;
  sync_folder(file("checkpoints"));
  write_file_atomically(file("latest"), "checkpoints/step-" + std::to_string(step) + "\n");
}

std::optional<std::string> RunDirectory::damage(i64 step) const {
  const std::string folder = checkpoint(step);
  try {
    const std::string path = folder + "/" + kChecksums;
    for (const auto& [name, sum] : parse_checksums(read_text_file(path), path)) {
      if (file_checksum(folder + "/" + name) != sum) {
        return folder + "/" + name + " does not have its checksum";
      }
    }
  } catch (const Error& e) {
    return e.what();
  }
  return std::nullopt;
}

std::optional<i64> RunDirectory::newest_whole(const SayDamaged& say) {
  std::vector<i64> list = steps();
  std::reverse(list.begin(), list.end());
  for (i64 step : list) {
    const auto why = damage(step);
    known_whole_[step] = !why;
    if (!why) return step;
    if (say) {
      say(format("[run] checkpoint step-{} is damaged ({}); trying the one before", step, *why));
    }
  }
  return std::nullopt;
}

bool RunDirectory::is_whole(i64 step) {
  const auto known = known_whole_.find(step);
  if (known != known_whole_.end()) return known->second;
  return known_whole_[step] = !damage(step);
}

void RunDirectory::prune(i64 keep, i64 best) {
  std::vector<i64> list = steps();
  std::reverse(list.begin(), list.end());
  i64 n_whole = 0;
  for (const i64 step : list) {
    if (n_whole < keep) {
      n_whole += is_whole(step);
    } else if (step != best) {
      std::error_code ignored;
      fs::remove_all(checkpoint(step), ignored);
    }
  }
}

}  // namespace lathe
