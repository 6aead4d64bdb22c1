#include "base/staged_folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/error.h"

namespace lathe {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStaged = ".tmp-";    // begins the name of what is filled aside
constexpr const char* kLock = ".tmp-lock";  // in it: held by who fills it

// What counts as somebody's: not what a killed run has left aside, nor what a new disk begins with.
std::vector<fs::path> contents(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with(kStaged) && name != "lost+found") found.push_back(it->path());
  }
  if (error) fail("[out] cannot read the folder '{}': {}", folder.string(), error.message());
  return found;
}

// Half-written files of a process that is no more.
void remove_temporaries(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> found;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name != kLock && name.find(kStaged) != name.npos) found.push_back(it->path());
  }
  for (const fs::path& path : found) fs::remove(path, error);
}

bool is_mount_point(const fs::path& folder) {
  struct statx info {};
  return ::statx(AT_FDCWD, folder.c_str(), 0, 0, &info) == 0 &&
         (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

bool can_change_places(const fs::path& folder) {
  return ::access(folder.parent_path().c_str(), W_OK | X_OK) == 0 && !is_mount_point(folder);
}

void move_file(const fs::path& from, const fs::path& folder) {
  std::error_code error;
  fs::rename(from, folder / from.filename(), error);
  if (error) {
    fail("[out] cannot rename '{}' to '{}': {}", from.string(), (folder / from.filename()).string(),
         error.message());
  }
}

}  // namespace

StagedFolder::StagedFolder(const std::string& target, std::string last, bool force,
                           std::string marker, bool resume)
    : last_(std::move(last)), marker_(std::move(marker)), resume_(resume) {
  std::error_code error;
  target_ = fs::weakly_canonical(fs::absolute(target), error);
  if (error) fail("[out] cannot use --out '{}': {}", target, error.message());
  if (!target_.has_filename()) target_ = target_.parent_path();  // "DIR/"
  check_target(force);
  if (fs::is_directory(target_, error)) {
    replaces_ = !contents(target_).empty();
    in_place_ = !replaces_ || !can_change_places(target_);
  } else {
    fs::create_directories(target_.parent_path(), error);
  }
  const fs::path prefix = in_place_ ? target_ / kStaged : fs::path(target_.string() + kStaged);
  const fs::path staged = prefix.string() + std::to_string(::getpid());
  if (!error && resume && take_over(prefix)) {
    if (staged_ != staged) fs::rename(staged_, staged, error);
    resumed_ = true;
  } else {
    if (!error) fs::remove_all(staged, error);
    if (!error) fs::create_directory(staged, error);
  }
  if (error) fail("[out] cannot create '{}': {}", staged.string(), error.message());
  staged_ = staged;
  if (!lock_) lock_ = FileLock::try_take((staged_ / kLock).string());
}

bool StagedFolder::take_over(const fs::path& prefix) {
  std::error_code error;
  std::vector<std::pair<fs::file_time_type, fs::path>> left;
  for (fs::directory_iterator it(prefix.parent_path(), error), end; !error && it != end;
       it.increment(error)) {
    const bool named = it->path().filename().string().starts_with(prefix.filename().string());
    std::error_code missing;
    const auto time = fs::last_write_time(it->path() / marker_, missing);
    if (named && !missing) left.emplace_back(time, it->path());
  }
  std::sort(left.rbegin(), left.rend());
  for (const auto& [time, path] : left) {
    lock_ = FileLock::try_take((path / kLock).string());
    if (!lock_) continue;
    staged_ = path;
    remove_temporaries(path);
    return true;
  }
  return false;
}

StagedFolder::~StagedFolder() {
  std::error_code ignored;
  if (staged_.empty() || (resume_ && fs::exists(staged_ / marker_, ignored))) return;
  fs::remove_all(staged_, ignored);
}

void StagedFolder::check_target(bool force) const {
  std::error_code error;
  if (!fs::exists(target_, error)) return;
  if (!fs::is_directory(target_, error)) {
    fail("[out] --out '{}' is a file, expected a new folder", target_.string());
  }
  if (contents(target_).empty()) return;
  if (!force) {
    fail("[out] --out '{}' exists and is not empty, expected a new folder; --force replaces it",
         target_.string());
  }
  if (!fs::exists(target_ / last_, error)) {
    fail(
        "[out] --out '{}' has no {}, so --force does not replace it; remove it yourself if it may "
        "go",
        target_.string(), last_);
  }
}

void StagedFolder::move_into_target() {
  // Others see a dataset or none, never half of one.
  std::error_code error;
  fs::remove(target_ / last_, error);
  for (const fs::path& old : contents(target_)) {
    if (!error) fs::remove_all(old, error);
  }
  if (error) fail("[out] cannot empty '{}': {}", target_.string(), error.message());
  for (const fs::path& file : contents(staged_)) {
    if (file.filename() != last_) move_file(file, target_);
  }
  move_file(staged_ / last_, target_);
}

// A full folder changes places with the new one, and is what is removed then.
void StagedFolder::commit() {
  std::error_code ignored;
  if (!marker_.empty()) fs::remove(staged_ / marker_, ignored);
  fs::remove(staged_ / kLock, ignored);
  if (in_place_) {
    move_into_target();
    return;
  }
  const int failed =
      replaces_ ? ::renameat2(AT_FDCWD, staged_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE)
                : ::rename(staged_.c_str(), target_.c_str());
  if (failed != 0) {
    fail_errno(format("[out] cannot rename '{}' to '{}'", staged_.string(), target_.string()));
  }
  if (!replaces_) staged_.clear();
}

void StagedFolder::remove(const std::string& path) {
  std::error_code error;
  for (int i = 0; i < 100 && fs::exists(path, error); ++i) fs::remove_all(path, error);
}

}  // namespace lathe
