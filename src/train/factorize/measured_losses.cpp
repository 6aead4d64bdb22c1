#include "train/factorize/measured_losses.h"

#include <cmath>
#include <filesystem>

#include "base/atomic_file.h"
#include "base/config_tree.h"
#include "base/error.h"

namespace lathe::train {

namespace {

const std::string& text_at(const Json& json, const char* key, const std::string& path) {
  const auto at = json.find(key);
  if (at == json.end() || !at->is_string()) {
    fail("[stats] {} has no text {}; it is no file of measured losses, remove or rename it", path,
         key);
  }
  return at->get_ref<const std::string&>();
}

}  // namespace

MeasuredLosses::MeasuredLosses(std::string path, std::string model, std::string text)
    : path_(std::move(path)), model_(std::move(model)), text_(std::move(text)) {
  if (path_.empty() || !std::filesystem::exists(path_)) return;
  const Json json = parse_json(read_text_file(path_), path_);
  if (!json.is_object()) fail("[stats] {} is no JSON object; remove or rename it", path_);
  const std::string& model_there = text_at(json, "model", path_);
  const std::string& text_there = text_at(json, "text", path_);
  if (model_there != model_ || text_there != text_) return;
  const auto losses = json.find("kl");
  if (losses == json.end() || !losses->is_object()) {
    fail("[stats] {} has no table kl; remove or rename it", path_);
  }
  for (const auto& [change, kl] : losses->items()) {
    if (!kl.is_number() || !(kl.get<double>() >= 0) || !std::isfinite(kl.get<double>())) {
      fail("[stats] {}, kl, {}: {}, expected a number of nats; remove the file", path_, change,
           kl.dump());
    }
    losses_[change] = kl.get<double>();
  }
}

std::optional<double> MeasuredLosses::find(const std::string& change) const {
  const auto at = losses_.find(change);
  return at == losses_.end() ? std::nullopt : std::optional(at->second);
}

void MeasuredLosses::add(const std::string& change, double kl) {
  losses_[change] = kl;
  if (path_.empty()) return;
  const Json json = {{"model", model_}, {"text", text_}, {"kl", losses_}};
  write_file_atomically(path_, json.dump(1) + "\n");
}

}  // namespace lathe::train
