// prepare.json in a folder that is being prepared: how far that is, so that a later process can go
// on.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/fields.h"
#include "data/dataset.h"
#include "data/document_reader.h"
#include "data/input_log.h"

namespace lathe {

inline constexpr const char* kJournalFile = "prepare.json";

struct PrepareJournal {
  Json command;  // what else the result depends on, as an object of texts and numbers
  ReadPlace place;
  InputLog::Progress inputs;
  DatasetProgress data;
};

// Throws Error beginning with `where` when a key is missing, unknown or out of range.
PrepareJournal parse_prepare_journal(std::string_view json, const std::string& where);
std::string to_json(const PrepareJournal& journal);

// That of the folder, which was begun with the same command; Error, naming what is another, where
// not.
PrepareJournal load_prepare_journal(const std::string& dir, const Json& command);

// A number that stands for the files as they are: their paths, sizes and times.
uint64_t identity_of(const std::vector<std::string>& files);

}  // namespace lathe
