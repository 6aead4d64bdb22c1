// A folder that is filled aside and takes its place when it is whole.
#pragma once

#include <filesystem>
#include <string>

namespace lathe {

// A new folder is made beside its place and renamed. One that is there already and empty is filled
// where it is, since it may be a mount point, or its parent may not be written to; so is a full one
// that is replaced (`force`) where it cannot change places with the new one. What is filled where
// it is gets the file `last` last, by which others know what is whole. One thread at a time.
class StagedFolder {
 public:
  // `last`: the file that every such folder has, dataset.json say. Throws Error where the target is
  // a file, or full and not to be replaced: without `force`, or without that file in it.
  StagedFolder(const std::string& target, std::string last, bool force);
  // Removes what has not been committed.
  ~StagedFolder();
  StagedFolder(const StagedFolder&) = delete;
  StagedFolder& operator=(const StagedFolder&) = delete;

  // Where to write, and where it is to be in the end.
  std::string path() const { return staged_.string(); }
  std::string target() const { return target_.string(); }

  void commit();

  // Removes the folder at `path`, although others may still be writing into it.
  static void remove(const std::string& path);

 private:
  void check_target(bool force) const;
  void move_into_target();

  std::string last_;
  std::filesystem::path target_;
  std::filesystem::path staged_;  // empty: nothing is left to remove
  bool in_place_ = false;
  bool replaces_ = false;
};

}  // namespace lathe
