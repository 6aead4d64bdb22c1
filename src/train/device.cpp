#include "train/device.h"

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>

#include <chrono>

#include "base/cpu_limits.h"
#include "train/nn/products.h"

namespace lathe::train {

namespace {

// Of the first GPU, 80 for 8.0; 0 where it is unknown. LibTorch without CUDA has no such headers,
// and the one with it has the CUDA runtime loaded.
int compute_capability() {
  using GetAttribute = int (*)(int* value, int attribute, int device);
  const auto get = reinterpret_cast<GetAttribute>(dlsym(RTLD_DEFAULT, "cudaDeviceGetAttribute"));
  constexpr int kMajor = 75, kMinor = 76;  // cudaDevAttrComputeCapability…
  int major = 0, minor = 0;
  if (!get || get(&major, kMajor, 0) != 0 || get(&minor, kMinor, 0) != 0) return 0;
  return 10 * major + minor;
}

}  // namespace

at::Device open_device(RunDevice device, i64 threads) {
  at::set_num_threads(threads > 0 ? static_cast<int>(threads) : available_threads());
  if (device == RunDevice::kCpu) return at::kCPU;
  if (!at::hasCUDA()) {
    fail("[device] device is 'cuda', and this LibTorch has no CUDA or the machine no GPU; use cpu");
  }
  // A resumed run is to give the weights of one never stopped, bit for bit.
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/true);
  return at::Device(at::kCUDA, 0);
}

PrecisionChoice open_precision(Precision asked, RunDevice device) {
  DeviceTraits traits;
  traits.device = device;
  traits.isa = active_isa();
  if (device == RunDevice::kCuda) traits.compute_capability = compute_capability();
  return choose_precision(asked, traits);
}

void synchronize(at::Device device) {
  // The smallest thing that waits for the stream without CUDA headers: a copy to the host.
  if (device.is_cuda()) at::zeros({1}, at::TensorOptions().device(device)).item<float>();
}

double measured_peak_flops(at::Device device, at::ScalarType dtype) {
  const i64 n = device.is_cuda() ? 8192 : 1536;
  const auto options = at::TensorOptions().device(device).dtype(dtype);
  const at::Tensor a = at::randn({n, n}, options), b = at::randn({n, n}, options);
  // The best of half a second: a short disturbance must not pass for the machine's peak.
  const auto begin = std::chrono::steady_clock::now();
  double best = 0;
  for (int run = 0;
       run < 5 || std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(500);
       ++run) {
    synchronize(device);
    const auto start = std::chrono::steady_clock::now();
    linear_product(a, b, {});
    synchronize(device);
    const double s =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const double size = static_cast<double>(n);
    if (run > 0) best = std::max(best, 2 * size * size * size / s);  // the first one warms up
  }
  return best;
}

}  // namespace lathe::train
