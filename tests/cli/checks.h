// What every command's tests ask of a run.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "support/run_program.h"

namespace lathe::test {

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Nothing on stdout, one line on stderr, with these parts in it.
inline void check_refused(const ProgramResult& result, int status,
                          const std::vector<std::string>& parts = {}) {
  CAPTURE(result.err);
  CHECK(result.status == status);
  CHECK(result.out == "");
  CHECK(result.err.starts_with("lathe: "));
  CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
  CHECK(result.err.ends_with("\n"));
  for (const std::string& part : parts) {
    CAPTURE(part);
    CHECK(has(result.err, part));
  }
}

inline void write_file(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// The names in a folder, sorted: what a failed command has left there.
inline std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Runs `lathe` by way of bash: `setup` first, and `redirect` behind it.
inline ProgramResult run_in_bash(const std::string& setup,
                                 const std::vector<std::string>& arguments,
                                 const std::string& redirect = "", const std::string& input = "") {
  std::vector<std::string> command = {
      "bash", "-c", setup + "exec " LATHE_BIN_DIR "/lathe \"$@\" " + redirect, "bash"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return run_program(command, input);
}

// With files of at most `kilobytes`: a write beyond fails in the middle, as on a full disk.
inline ProgramResult run_with_file_limit(int kilobytes, const std::vector<std::string>& arguments) {
  return run_in_bash("ulimit -f " + std::to_string(kilobytes) + "; trap '' XFSZ; ", arguments);
}

// With an output that takes nothing.
inline ProgramResult run_to_full_disk(const std::vector<std::string>& arguments,
                                      const std::string& input = "") {
  return run_in_bash("", arguments, ">/dev/full", input);
}

}  // namespace lathe::test
