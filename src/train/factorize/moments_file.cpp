// Moments as a safetensors file: of each linear "PART.inputs" and "PART.gradients", symmetric and
// so only the lower triangle, row by row, and "PART.input_sum".
#include <charconv>

#include "train/factorize/moments.h"
#include "weights/safetensors.h"

namespace lathe::train {

namespace {

constexpr const char* kFormat = "lathe moments 1";
constexpr const char *kInputs = "inputs", *kGradients = "gradients", *kInputSum = "input_sum";

i64 triangle(i64 n) { return n * (n + 1) / 2; }

std::vector<float> lower_triangle(const at::Tensor& lower) {
  const at::Tensor here = lower.to(at::kCPU).contiguous();
  const i64 n = here.size(0);
  const float* from = here.data_ptr<float>();
  std::vector<float> packed;
  packed.reserve(static_cast<size_t>(triangle(n)));
  for (i64 row = 0; row < n; ++row)
    packed.insert(packed.end(), from + row * n, from + row * n + row + 1);
  return packed;
}

at::Tensor from_triangle(const float* packed, i64 n) {
  at::Tensor lower = at::zeros({n, n}, at::kFloat);
  float* to = lower.data_ptr<float>();
  for (i64 row = 0; row < n; ++row) {
    std::copy_n(packed, row + 1, to + row * n);
    packed += row + 1;
  }
  return lower;
}

const TensorView& checked(const SafetensorsFile& file, const std::string& name, i64 numel) {
  const TensorView& found = file.get(name);
  const std::vector<i64> shape = {numel};
  if (found.dtype == DType::kF32 && found.shape == shape) return found;
  fail("[stats] {}: '{}' is {}, expected {}; statistics of another model?", file.where(), name,
       describe_tensor(found.dtype, found.shape), describe_tensor(DType::kF32, shape));
}

std::vector<float> values_of(const TensorView& view) {
  std::vector<float> values(static_cast<size_t>(view.numel()));
  std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
  return values;
}

// The metadata of a file by their names.
class Notes {
 public:
  explicit Notes(const SafetensorsFile& file) : file_(file) {}
  std::string text(const char* key) const {
    const auto at = file_.metadata().find(key);
    if (at == file_.metadata().end()) {
      fail("[stats] {}: no '{}' in its header; expected a file of lathe factorize --stats",
           file_.where(), key);
    }
    return at->second;
  }
  i64 number(const char* key) const {
    const std::string value = text(key);
    i64 n = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), n);
    if (error != std::errc() || end != value.data() + value.size() || n < 0) {
      fail("[stats] {}: '{}' is '{}', expected a number", file_.where(), key, value);
    }
    return n;
  }

 private:
  const SafetensorsFile& file_;
};

}  // namespace

void save_moments(const std::string& path, const Moments& moments) {
  std::vector<TensorHead> heads;
  const auto head = [&](const std::string& part, const char* leaf, i64 n) {
    heads.push_back({part + "." + leaf, DType::kF32, {n}});
  };
  for (const auto& [part, linear] : moments.linears) {
    head(part, kInputs, triangle(linear.inputs.size(0)));
    head(part, kInputSum, linear.input_sum.size(0));
    if (linear.gradients.defined()) head(part, kGradients, triangle(linear.gradients.size(0)));
  }
  const MomentSource& source = moments.source;
  SafetensorsWriter writer(path, heads,
                           {{"format", kFormat},
                            {"model", source.model},
                            {"text", source.text},
                            {"windows", std::to_string(source.n_windows)},
                            {"window", std::to_string(source.window)},
                            {"gradients", source.gradients ? "1" : "0"},
                            {"windows_done", std::to_string(moments.n_done)},
                            {"inputs", std::to_string(moments.n_inputs)},
                            {"output_gradients", std::to_string(moments.n_gradients)}});
  for (const TensorHead& next : writer.order()) {
    const size_t dot = next.name.rfind('.');
    const LinearMoments& linear = moments.linears.at(next.name.substr(0, dot));
    const std::string leaf = next.name.substr(dot + 1);
    std::vector<float> values;
    if (leaf == kInputSum) {
      const at::Tensor sum = linear.input_sum.to(at::kCPU).contiguous();
      values.assign(sum.data_ptr<float>(), sum.data_ptr<float>() + sum.numel());
    } else {
      values = lower_triangle(leaf == kInputs ? linear.inputs : linear.gradients);
    }
    writer.write(std::as_bytes(std::span(values)));
  }
  writer.commit();
}

Moments load_moments(const std::string& path, const std::map<std::string, LinearSpec>& linears,
                     at::Device device) {
  const SafetensorsFile file(path);
  const Notes notes(file);
  if (notes.text("format") != kFormat) {
    fail("[stats] {}: format '{}', expected '{}'", path, notes.text("format"), kFormat);
  }
  Moments moments;
  moments.source = {.model = notes.text("model"),
                    .text = notes.text("text"),
                    .n_windows = notes.number("windows"),
                    .window = notes.number("window"),
                    .gradients = notes.number("gradients") != 0};
  moments.n_done = notes.number("windows_done");
  moments.n_inputs = notes.number("inputs");
  moments.n_gradients = notes.number("output_gradients");
  if (moments.n_done > moments.source.n_windows || (moments.n_done > 0 && moments.n_inputs == 0)) {
    fail("[stats] {}: {} of {} windows done, over {} positions; damaged?", path, moments.n_done,
         moments.source.n_windows, moments.n_inputs);
  }
  for (const auto& [part, spec] : linears) {
    const auto symmetric = [&](const char* leaf, i64 n) {
      const auto values = values_of(checked(file, part + "." + leaf, triangle(n)));
      return from_triangle(values.data(), n).to(device);
    };
    LinearMoments& linear = moments.linears[part];
    linear.inputs = symmetric(kInputs, spec.in);
    const auto sum = values_of(checked(file, part + "." + kInputSum, spec.in));
    linear.input_sum = at::tensor(sum, at::kFloat).to(device);
    if (moments.source.gradients) linear.gradients = symmetric(kGradients, spec.out);
    if (!at::isfinite(linear.inputs).all().item<bool>()) {
      fail("[stats] {}: '{}' is not finite; damaged?", path, part);
    }
  }
  return moments;
}

}  // namespace lathe::train
