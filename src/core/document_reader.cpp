#include "core/document_reader.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace lathe {
namespace {

namespace fs = std::filesystem;

constexpr size_t kReadBytes = size_t{1} << 18;

std::string_view without_compression(std::string_view name) {
  for (const std::string_view ending : {".gz", ".zst"}) {
    if (name.ends_with(ending)) return name.substr(0, name.size() - ending.size());
  }
  return name;
}

bool is_wanted(const std::string& path, const std::vector<std::string>& extensions) {
  return extensions.empty() ||
         std::any_of(extensions.begin(), extensions.end(), [&](const std::string& extension) {
           return path.ends_with(extension) || without_compression(path).ends_with(extension);
         });
}

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

void list_folder(const std::string& dir, const std::vector<std::string>& extensions,
                 std::vector<std::string>& files) {
  const size_t n_before = files.size();
  std::error_code error;
  fs::recursive_directory_iterator walk(dir, error);
  for (; !error && walk != fs::recursive_directory_iterator(); walk.increment(error)) {
    std::error_code ignored;
    if (is_hidden(walk->path())) {
      if (walk->is_directory(ignored)) walk.disable_recursion_pending();
    } else if (walk->is_regular_file(ignored) && is_wanted(walk->path(), extensions)) {
      files.push_back(walk->path().string());
    }
  }
  if (error) fail("[data] cannot read the folder '{}': {}", dir, error.message());
  if (files.size() == n_before) {
    fail("[data] the folder '{}' has no file{} in it, expected text", dir,
         extensions.empty() ? "" : " with the wanted extension");
  }
  std::sort(files.begin() + static_cast<std::ptrdiff_t>(n_before), files.end());
}

}  // namespace

std::vector<std::string> list_input_files(const std::vector<std::string>& inputs,
                                          const std::vector<std::string>& extensions) {
  std::vector<std::string> files;
  for (const std::string& input : inputs) {
    std::error_code error;
    const fs::file_status status = fs::status(input, error);
    if (!fs::exists(status)) fail("[data] the input '{}' does not exist", input);
    if (fs::is_directory(status)) {
      list_folder(input, extensions, files);
    } else {
      files.push_back(input);
    }
  }
  return files;
}

DocumentStream::DocumentStream(std::unique_ptr<ByteSource> source, std::string name,
                               std::string split_on)
    : source_(std::move(source)),
      name_(std::move(name)),
      json_lines_(without_compression(name_).ends_with(".jsonl")),
      separator_(json_lines_ ? "\n" : std::move(split_on)) {}

bool DocumentStream::fill() {
  if (at_end_) return false;
  if (begin_ > 0) {
    buffer_.erase(0, begin_);
    searched_ -= begin_;
    begin_ = 0;
  }
  const size_t before = buffer_.size();
  // Doubling keeps a large document from being moved again and again.
  buffer_.resize(before + std::max(kReadBytes, before));
  const size_t got = source_->read(buffer_.data() + before, buffer_.size() - before);
  buffer_.resize(before + got);
  at_end_ = got == 0;
  return got > 0;
}

bool DocumentStream::next_part(std::string& part) {
  for (;;) {
    const size_t at = separator_.empty() ? std::string::npos : buffer_.find(separator_, searched_);
    if (at != std::string::npos) {
      part.assign(buffer_, begin_, at - begin_);
      begin_ = searched_ = at + separator_.size();
      return true;
    }
    // The separator may lie across the border to what comes next.
    const size_t overlap =
        std::min(buffer_.size() - begin_, std::max<size_t>(separator_.size(), 1) - 1);
    searched_ = std::max(searched_, buffer_.size() - overlap);
    if (fill()) continue;
    part.assign(buffer_, begin_);
    begin_ = searched_ = buffer_.size();
    return !part.empty();
  }
}

bool DocumentStream::next(std::string& document) {
  while (next_part(document)) {
    if (json_lines_) {
      ++line_;
      if (document.find_first_not_of(" \t\r") == std::string::npos) continue;
      document = parse_json_line(document, format("{}:{}", name_, line_));
    }
    if (!document.empty()) return true;
  }
  return false;
}

DocumentReader::DocumentReader(std::vector<std::string> files, std::string split_on)
    : files_(std::move(files)), split_on_(std::move(split_on)) {}

bool DocumentReader::next(std::string& document) {
  for (;;) {
    if (!stream_) {
      if (n_opened_ == files_.size()) return false;
      const std::string& path = files_[n_opened_++];
      stream_.emplace(open_byte_source(path), path, split_on_);
    }
    if (stream_->next(document)) return true;
    stream_.reset();
  }
}

std::string parse_json_line(std::string_view line, const std::string& where) {
  const auto json = nlohmann::json::parse(line, nullptr, false);
  if (!json.is_object()) fail("[data] {}: not a JSON object, expected {{\"text\": …}}", where);
  const auto text = json.find("text");
  if (text == json.end() || !text->is_string()) {
    fail("[data] {}: no text under \"text\", expected {{\"text\": …}}", where);
  }
  return text->get<std::string>();
}

}  // namespace lathe
