#include "data/batches.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "base/error.h"
#include "support/error_text.h"
#include "support/temp_dir.h"

using namespace lathe;

namespace {

// Tokens first, first + 1, … as shards of `shard_tokens`; their value is their offset, so that a
// sample shows where it was read.
std::shared_ptr<const TokenStream> make_stream(const test::TempDir& folder, const std::string& name,
                                               int32_t first, int32_t n_tokens,
                                               int64_t shard_tokens) {
  ShardWriter writer(folder.path(), name + "_train", 1 << 20, shard_tokens);
  std::vector<int32_t> ids(static_cast<size_t>(n_tokens));
  std::iota(ids.begin(), ids.end(), first);
  writer.append(ids);
  writer.finish();
  return std::make_shared<TokenStream>(find_shards(folder.path(), name + "_train"));
}

std::vector<uint64_t> epoch_of(const SampleOrder& order, uint64_t epoch) {
  std::vector<uint64_t> list;
  for (uint64_t i = 0; i < order.size(); ++i) list.push_back(order.at(epoch, i));
  return list;
}

constexpr int64_t kT = 8;

}  // namespace

TEST_CASE("order: every epoch is a permutation of all samples, for any number of them") {
  for (const uint64_t n : {1u, 2u, 3u, 7u, 63u, 64u, 65u, 1000u, 4097u, (1u << 20) - 1}) {
    CAPTURE(n);
    for (const uint64_t epoch : {uint64_t{0}, uint64_t{5}}) {
      const SampleOrder order(n, 42);
      std::vector<bool> seen(n);
      uint64_t distinct = 0;
      for (uint64_t i = 0; i < n; ++i) {
        const uint64_t at = order.at(epoch, i);
        if (at >= n || seen[at]) break;
        ++distinct;
        seen[at] = true;
      }
      CHECK(distinct == n);
    }
  }
}

TEST_CASE("order: works at the largest numbers there are") {
  const uint64_t n = std::numeric_limits<uint64_t>::max();
  const SampleOrder order(n, 42);
  std::set<uint64_t> seen;
  for (uint64_t i = 0; i < 100; ++i) {
    seen.insert(order.at(n, i));
    seen.insert(order.at(n, n - 1 - i));
  }
  CHECK(seen.size() == 200);
}

TEST_CASE("order: epochs, seeds and streams each give another order; the same give the same") {
  std::set<std::vector<uint64_t>> orders;
  int made = 0;
  for (const uint64_t seed : {uint64_t{1}, uint64_t{2}, uint64_t{1} << 40}) {
    for (const uint32_t stream : {0u, 1u}) {
      for (const uint64_t epoch : {uint64_t{0}, uint64_t{1}, uint64_t{2}, uint64_t{1} << 32}) {
        orders.insert(epoch_of(SampleOrder(100, seed, stream), epoch));
        ++made;
      }
    }
  }
  CHECK(static_cast<int>(orders.size()) == made);
  CHECK(epoch_of(SampleOrder(100, 1), 3) == epoch_of(SampleOrder(100, 1), 3));
}

TEST_CASE("order: places and samples are as unrelated as in a random permutation") {
  const SampleOrder order(10000, 3);
  double fixed = 0, neighbours = 0, covariance = 0;
  for (uint64_t epoch = 0; epoch < 10; ++epoch) {
    uint64_t previous = 0;
    for (uint64_t i = 0; i < order.size(); ++i) {
      const uint64_t at = order.at(epoch, i);
      fixed += at == i;
      neighbours += i > 0 && at == previous + 1;
      covariance += (static_cast<double>(i) / 5000 - 1) * (static_cast<double>(at) / 5000 - 1);
      previous = at;
    }
  }
  CHECK(fixed < 30);  // 10 expected
  CHECK(neighbours < 30);
  CHECK(std::abs(covariance / 1e5) < 5 / (3 * std::sqrt(1e5)));
}

TEST_CASE("order: the small orders, too, come out evenly over the epochs") {
  const SampleOrder order(3, 9);
  int counts[3][3] = {};
  for (uint64_t epoch = 0; epoch < 3000; ++epoch) {
    for (uint64_t i = 0; i < 3; ++i) ++counts[i][order.at(epoch, i)];
  }
  for (const auto& row : counts) {
    for (const int n : row) CHECK(std::abs(n - 1000) < 130);  // five standard deviations
  }
}

TEST_CASE("order: the first orders are those of every version before") {
  CHECK(epoch_of(SampleOrder(10, 1), 0) == std::vector<uint64_t>{2, 3, 7, 6, 1, 4, 8, 5, 0, 9});
  CHECK(epoch_of(SampleOrder(10, 1), 1) == std::vector<uint64_t>{3, 6, 4, 5, 1, 0, 9, 2, 7, 8});
  CHECK(epoch_of(SampleOrder(10, 2, 1), 0) == std::vector<uint64_t>{7, 5, 6, 9, 8, 4, 0, 3, 1, 2});
  const SampleOrder large(123456789, 20240520);
  CHECK(std::vector<uint64_t>{large.at(0, 0), large.at(0, 1), large.at(7, 123456788)} ==
        std::vector<uint64_t>{38247421, 105575239, 87364055});
}

TEST_CASE("mixture: the first turns are those of every version before") {
  const Mixture mixture(std::vector<double>{3, 1}, 1);
  std::vector<size_t> sources;
  for (uint64_t g = 0; g < 16; ++g) sources.push_back(mixture.at(g).source);
  CHECK(sources == std::vector<size_t>{0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("mixture: every period holds the exact shares, and sources count on without gaps") {
  const Mixture mixture(std::vector<double>{0.5, 0.3, 0.2}, 5);
  // 512, 307.2 and 204.8 of 1024: the largest remainder gets the one that is left.
  CHECK(mixture.count(0) == 512);
  CHECK(mixture.count(1) == 307);
  CHECK(mixture.count(2) == 205);
  std::vector<uint64_t> next(3, 0);
  for (uint64_t g = 0; g < 3 * 1024; ++g) {
    const auto turn = mixture.at(g);
    REQUIRE(turn.index == next[turn.source]);
    ++next[turn.source];
    if ((g + 1) % 1024 == 0) {
      const uint64_t periods = (g + 1) / 1024;
      CHECK(next == std::vector<uint64_t>{512 * periods, 307 * periods, 205 * periods});
    }
  }
}

TEST_CASE("mixture: weights are relative, one source has every turn, 1024 equal ones a turn each") {
  const Mixture one(std::vector<double>{0.001}, 5);
  for (const uint64_t g : {uint64_t{0}, uint64_t{1023}, uint64_t{1} << 40}) {
    CHECK(one.at(g).index == g);
  }
  const Mixture huge(std::vector<double>{1e308, 1e308}, 5);
  CHECK(huge.count(0) == 512);
  const Mixture many(std::vector<double>(1024, 2.0), 5);
  for (size_t s = 0; s < 1024; ++s) CHECK(many.count(s) == 1);
}

TEST_CASE("mixture: a share that rounds to nothing is an Error") {
  CHECK(test::contains(test::error_text([] {
                         Mixture(std::vector<double>{1, 1e-4}, 1);
                       }),
                       "source 2 of 2"));
  CHECK(!test::error_text([] { Mixture(std::vector<double>(1025, 1.0), 1); }).empty());
}

TEST_CASE("batches: sample i is tokens i·T … i·T + T, also across the borders of shards") {
  const test::TempDir folder;
  // 12 samples and 3 tokens that fill none; shards end inside samples.
  const auto stream = make_stream(folder, "a", 0, 12 * kT + 1 + 3, 5);
  REQUIRE(stream->n_shards() == 20);
  const BatchSource source({{stream, 1, "a"}}, kT, 1 << 20, 1);
  REQUIRE(source.n_samples(0) == 12);
  std::vector<int64_t> row(kT + 1);
  for (uint64_t epoch = 0; epoch < 3; ++epoch) {
    std::set<int64_t> starts;
    for (uint64_t i = 0; i < 12; ++i) {
      const uint64_t g = epoch * 12 + i;
      source.read(g, row);
      CHECK(row[0] % kT == 0);
      CHECK(row[0] == static_cast<int64_t>(source.place(g).sample) * kT);
      CHECK(source.place(g).epoch == epoch);
      for (int64_t t = 0; t <= kT; ++t) CHECK(row[static_cast<size_t>(t)] == row[0] + t);
      starts.insert(row[0]);
    }
    CHECK(starts.size() == 12);
  }
}

TEST_CASE("batches: the order does not depend on the micro-batch or the number of processes") {
  const test::TempDir folder;
  const auto a = make_stream(folder, "a", 0, 500, 70), b = make_stream(folder, "b", 1000, 99, 1000);
  const BatchSource source({{a, 2, "a"}, {b, 1, "b"}}, kT, 1 << 20, 7);
  constexpr int64_t kGlobal = 24, kSteps = 5, kRow = kT + 1;
  std::vector<int64_t> whole(kSteps * kGlobal * kRow);
  source.read_batch(0, kSteps * kGlobal, whole);
  for (const int64_t processes : {1, 2, 3}) {
    for (const int64_t micro : {1, 2, 4}) {
      // Another object, as after a resume, that starts in the middle.
      const BatchSource other({{a, 2, "a"}, {b, 1, "b"}}, kT, 1 << 20, 7);
      std::vector<int64_t> pieces(whole.size(), -1);
      for (int64_t step = kSteps - 1; step >= 0; --step) {
        for (int64_t process = 0; process < processes; ++process) {
          const int64_t each = kGlobal / processes;
          for (int64_t m = 0; m < each; m += micro) {
            const int64_t first = step * kGlobal + process * each + m;
            const std::span<int64_t> into(pieces);
            other.read_batch(
                static_cast<uint64_t>(first), micro,
                into.subspan(static_cast<size_t>(first * kRow), static_cast<size_t>(micro * kRow)));
          }
        }
      }
      CHECK(pieces == whole);
    }
  }
}

TEST_CASE("batches: two sources keep their shares and their own epochs") {
  const test::TempDir folder;
  const auto a = make_stream(folder, "a", 0, 500, 70), b = make_stream(folder, "b", 1000, 99, 1000);
  const BatchSource source({{a, 3, "a"}, {b, 1, "b"}}, kT, 1 << 20, 7);
  CHECK(source.share(0) == 0.75);
  REQUIRE(source.n_samples(0) == 62);
  REQUIRE(source.n_samples(1) == 12);
  std::vector<int64_t> row(kT + 1);
  std::vector<uint64_t> taken(2), last_epoch(2);
  std::vector<std::set<int64_t>> seen(2);
  for (uint64_t g = 0; g < 2048; ++g) {
    const auto place = source.place(g);
    source.read(g, row);
    CHECK((row[0] >= 1000) == (place.source == 1));
    if (taken[place.source]++ % source.n_samples(place.source) == 0) seen[place.source].clear();
    CHECK(seen[place.source].insert(row[0]).second);  // once an epoch
    CHECK(place.epoch == (taken[place.source] - 1) / source.n_samples(place.source));
  }
  CHECK(taken == std::vector<uint64_t>{1536, 512});
}

TEST_CASE("batches: a stream of exactly one sample is enough, one token less is an Error") {
  const test::TempDir folder;
  const BatchSource source({{make_stream(folder, "a", 0, kT + 1, 100), 1, "a"}}, kT, 1 << 20, 1);
  std::vector<int64_t> row(kT + 1);
  source.read(1000000007, row);
  CHECK(row[0] == 0);
  const auto shorter = make_stream(folder, "b", 0, kT, 100);
  const std::string error = test::error_text([&] {
    BatchSource({{shorter, 1, "runs/b"}}, kT, 1 << 20, 1);
  });
  CHECK(test::contains(error, "runs/b: 8 tokens"));
  CHECK(test::contains(error, "at least 9"));
}

TEST_CASE("batches: no source, and weights that are not positive, are Errors naming the source") {
  const test::TempDir folder;
  const auto a = make_stream(folder, "a", 0, 100, 100);
  CHECK(test::contains(test::error_text([&] { BatchSource({}, kT, 1 << 20, 1); }), "no data set"));
  for (const double weight : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN(),
                              std::numeric_limits<double>::infinity()}) {
    CAPTURE(weight);
    const std::string error = test::error_text([&] {
      BatchSource({{a, 1, "good"}, {a, weight, "bad one"}}, kT, 1 << 20, 1);
    });
    CHECK(test::contains(error, "bad one: weight"));
  }
}

TEST_CASE("batches: without weights the shares are those of the tokens") {
  const test::TempDir folder;
  const auto a = make_stream(folder, "a", 0, 3000, 3000), b = make_stream(folder, "b", 0, 1000, 99);
  const BatchSource source({{a, {}, "a"}, {b, {}, "b"}}, kT, 1 << 20, 1);
  CHECK(source.share(0) == 0.75);
  CHECK(source.share(1) == 0.25);
}

TEST_CASE("batches: a folder too small for a turn by its tokens is refused by name and tokens") {
  const test::TempDir folder;
  const auto large = make_stream(folder, "large", 0, 99'963, 1 << 20),
             tiny = make_stream(folder, "tiny", 0, 37, 100);
  const std::string error = test::error_text([&] {
    BatchSource({{large, {}, "a"}, {tiny, {}, "data/tiny"}}, kT, 1 << 20, 1);
  });
  CHECK(test::contains(error, "data/tiny: 37 of the 100000 tokens"));
  CHECK(test::contains(error, "data.weights"));
  CHECK(!test::contains(error, "weight 37"));
  // With weights of the user's, it has the share they say.
  const BatchSource weighed({{large, 3, "a"}, {tiny, 1, "data/tiny"}}, kT, 1 << 20, 1);
  CHECK(weighed.share(1) == 0.25);
}

TEST_CASE("batches: an id outside the vocabulary is an Error with shard, offset and vocabulary") {
  const test::TempDir folder;
  const auto stream = make_stream(folder, "a", 0, 4 * kT + 1, 10);  // ids 0 … 32
  std::vector<int64_t> rows(4 * (kT + 1));
  CHECK_NOTHROW(BatchSource({{stream, 1, "a"}}, kT, 33, 1).read_batch(0, 4, rows));
  const BatchSource source({{stream, 1, "a"}}, kT, 32, 1);
  const std::string error = test::error_text([&] { source.read_batch(0, 4, rows); });
  CHECK(test::contains(error, "_000003.bin"));  // 32 is the third token of the fourth shard
  CHECK(test::contains(error, "token 32 at offset 2"));
  CHECK(test::contains(error, "vocabulary of 32"));
}
