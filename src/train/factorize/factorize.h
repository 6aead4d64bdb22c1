// A model's linears replaced by structured ones in closed form: what `lathe factorize` does.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "train/factorize/moments.h"
#include "weights/model_directory.h"

namespace lathe::train {

// What an error in a matrix is measured by (train/nn/projection.h): its own norm; what it does to
// the linear's output on real inputs; what it does to the loss.
enum class FactorizeMethod { kPlain, kWhitened, kKfac };
constexpr auto names_of(FactorizeMethod) {
  return enum_names<FactorizeMethod>("plain", "whitened", "kfac");
}

struct FactorizeOptions {
  FactorizeMethod method = FactorizeMethod::kPlain;
  double share = 0;       // of the parameters of those in scope; 0: sizes as the spec says
  bool allocate = false;  // that share spent unevenly
  int sweeps = 4;         // of the descent over a matrix's blocks
  std::vector<std::string> calibrate;  // texts, as open_token_source() takes them
  std::string stats;                   // file of moments to use and to write; "": none
  i64 tokens = 65536;                  // to learn from, at most
  i64 check_tokens = 8192;             // to compare on, at most
  i64 window = 1024;                   // tokens of one sequence, at most the context length
};

struct FactorizedLinear {
  std::string part;           // "blocks.0.ffn.up"
  LinearSpec linear;          // as it is now
  double kept = 0;            // of J(W), see train/nn/projection.h: 1 − J(E) / J(W)
  double predicted_loss = 0;  // J(E) / 2 nats a token; kfac only
  double measured_kl = -1;    // of this linear alone near the share, nats a token; allocate only
};

struct FactorizeReport {
  std::vector<FactorizedLinear> linears;  // those replaced, in the model's order
  i64 params_before = 0, params_after = 0;
  double share = 0;       // of the parameters of those in scope, as it came out
  i64 n_calibration = 0;  // tokens
  i64 n_checked = 0;      // tokens; 0: there was no text
  double ppl_before = 0, ppl_after = 0, kl = 0;
};

struct FactorizeResult {
  ModelValues values;
  FactorizeReport report;
};

// Told what is being done, in a few words.
using OnStage = std::function<void(const std::string&)>;

// `overrides`: --set of spec keys; those linears that are of another kind or size then, and
// structured, are replaced, and biases that are there then and were not begin at 0. Error where no
// linear changes, no size fits the share, there is no text where the method needs one, or the
// statistics are another model's, text's or method's.
FactorizeResult factorize(const ModelDirectory& source, const Tokenizer& tokenizer,
                          const std::vector<std::string>& overrides,
                          const FactorizeOptions& options, const OnStage& on_stage);

}  // namespace lathe::train
