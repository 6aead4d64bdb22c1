// A folder that is filled aside and takes its place when it is whole.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/file_lock.h"

namespace lathe {

// A new folder is made beside its place and renamed. One that is there already and empty is filled
// where it is, since it may be a mount point, or its parent may not be written to; so is a full one
// that is replaced (`force`) where it cannot change places with the new one. What is filled where
// it is gets the file `last` last, by which others know what is whole. One thread at a time.
class StagedFolder {
 public:
  // `last`: the file that every such folder has, dataset.json say. Throws Error where the target is
  // a file, or full and not to be replaced: without `force`, or without that file in it.
  // `marker`: a file in it by which a later process knows that it can go on; with `resume` one that
  // has it, and that no process is filling, is taken over, the newest of several.
  StagedFolder(const std::string& target, std::string last, bool force, std::string marker = "",
               bool resume = false);
  // Removes what has not been committed; with `resume` what has no marker.
  ~StagedFolder();
  StagedFolder(const StagedFolder&) = delete;
  StagedFolder& operator=(const StagedFolder&) = delete;

  // Where to write, and where it is to be in the end.
  std::string path() const { return staged_.string(); }
  std::string target() const { return target_.string(); }

  // Whether it is an earlier process's.
  bool resumed() const { return resumed_; }

  // Removes the marker first.
  void commit();

  // Removes the folder at `path`, although others may still be writing into it.
  static void remove(const std::string& path);

 private:
  void check_target(bool force) const;
  void move_into_target();
  // Takes over what an earlier process has left under a name that begins with `prefix`.
  bool take_over(const std::filesystem::path& prefix);

  std::string last_, marker_;
  std::filesystem::path target_;
  std::filesystem::path staged_;  // empty: nothing is left to remove
  bool in_place_ = false;
  bool replaces_ = false;
  bool resume_ = false;
  bool resumed_ = false;
  std::optional<FileLock> lock_;
};

}  // namespace lathe
