// What a model was measured to lose by single changes, kept in a file: a measurement takes seconds,
// and one of each linear serves every share.
#pragma once

#include <map>
#include <optional>
#include <string>

namespace lathe::train {

class MeasuredLosses {
 public:
  // `path` "": kept nowhere. `model` and `text`: checksums of the weights and of the tokens
  // measured on; what the file holds of others is not used, and goes at the next add(). Error where
  // the file is none of these.
  MeasuredLosses(std::string path, std::string model, std::string text);

  // KL in nats a token, by a name of what was changed and how.
  std::optional<double> find(const std::string& change) const;
  // And writes the file.
  void add(const std::string& change, double kl);

 private:
  std::string path_, model_, text_;
  std::map<std::string, double> losses_;
};

}  // namespace lathe::train
