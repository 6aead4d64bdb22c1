#include "data/input_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/packing.h"
#include "data/dataset.h"
#include "data/prepare_journal.h"
#include "data/text_format.h"

namespace lathe {
namespace {

namespace fs = std::filesystem;

// A file or folder under whatever name.
using Identity = std::pair<dev_t, ino_t>;

// Tokens that `lathe data prepare` has made of text, or a killed one has left, no text.
bool is_prepared(const std::string& folder) {
  std::error_code ignored;
  if (fs::exists(folder + "/" + kJournalFile, ignored)) return true;
  if (!has_dataset_info(folder)) return false;
  const std::vector<std::string> shards = find_shards(folder, "");
  return std::any_of(shards.begin(), shards.end(), is_shard_file);
}

// Reads one folder.
class FolderWalk {
 public:
  FolderWalk(const std::vector<std::string>& extensions, const std::vector<std::string>& left_out)
      : extensions_(extensions) {
    for (const std::string& path : left_out) {
      struct stat info {};
      if (::stat(path.c_str(), &info) == 0) seen_.insert({info.st_dev, info.st_ino});
    }
  }

  // What links lead to comes after all else, so that it counts under its own name where it has one.
  std::vector<std::string> list(const std::string& root) {
    read_folder(root);
    while (!links_.empty()) {
      std::vector<std::string> links = std::exchange(links_, {});
      std::sort(links.begin(), links.end());
      for (const std::string& link : links) follow(link);
    }
    std::sort(files_.begin(), files_.end());
    return std::move(files_);
  }

 private:
  // Whether `path`, which exists, is met for the first time.
  bool is_new(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) fail_errno(format("[data] cannot read '{}'", path));
    return seen_.insert({info.st_dev, info.st_ino}).second;
  }

  bool is_wanted(std::string_view path) const {
    return extensions_.empty() ||
           std::any_of(extensions_.begin(), extensions_.end(), [&](const std::string& extension) {
             return path.ends_with(extension) || without_packing(path).ends_with(extension);
           });
  }

  void read_folder(const std::string& folder) {
    if (!is_new(folder)) return;
    std::error_code error;
    std::vector<std::string> inner;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
      const std::string path = it->path().string();
      if (it->path().filename().string().starts_with('.')) continue;
      std::error_code unknown;
      if (it->is_symlink(unknown)) {
        links_.push_back(path);
      } else if (it->is_directory(unknown)) {
        inner.push_back(path);
      } else if (it->is_regular_file(unknown)) {
        read_file(path);
      }
      if (unknown) fail("[data] cannot read '{}': {}", path, unknown.message());
    }
    if (error) fail("[data] cannot read the folder '{}': {}", folder, error.message());
    for (const std::string& path : inner) {
      if (!is_prepared(path)) read_folder(path);
    }
  }

  // Two names of one file that are no links are two files.
  void read_file(const std::string& path) {
    if (!is_wanted(path)) return;
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) fail_errno(format("[data] cannot read '{}'", path));
    const Identity identity{info.st_dev, info.st_ino};
    if (seen_.insert(identity).second) {
      own_files_.insert(identity);
    } else if (!own_files_.contains(identity)) {
      return;  // left out
    }
    files_.push_back(path);
  }

  void follow(const std::string& link) {
    std::error_code error;
    const fs::file_status status = fs::status(link, error);
    if (fs::is_directory(status)) {
      if (!is_prepared(link)) read_folder(link);
    } else if (fs::is_regular_file(status)) {
      if (is_wanted(link) && is_new(link)) files_.push_back(link);
    } else if (!fs::exists(status) && is_wanted(link)) {
      fail("[data] the link '{}' leads to nothing, expected a file or folder; remove it", link);
    }
  }

  const std::vector<std::string>& extensions_;
  std::set<Identity> seen_;
  std::set<Identity> own_files_;  // of those seen, the files met without a link
  std::vector<std::string> links_;
  std::vector<std::string> files_;
};

}  // namespace

std::vector<std::string> list_input_files(const std::vector<std::string>& inputs,
                                          const std::vector<std::string>& extensions,
                                          const std::vector<std::string>& left_out) {
  std::vector<std::string> files;
  for (const std::string& input : inputs) {
    std::error_code error;
    const fs::file_status status = fs::status(input, error);
    if (!fs::exists(status)) {
      fail("[data] the input '{}' {}", input,
           fs::status_known(status) ? "does not exist" : "cannot be read: " + error.message());
    }
    if (!fs::is_directory(status)) {
      files.push_back(input);
      continue;
    }
    const std::vector<std::string> found = FolderWalk(extensions, left_out).list(input);
    if (found.empty()) {
      fail("[data] the folder '{}' has no file{} in it, expected text", input,
           extensions.empty() ? "" : " with the wanted extension");
    }
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

}  // namespace lathe
