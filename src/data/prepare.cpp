#include "data/prepare.h"

#include "base/content_hash.h"
#include "base/ordered_tasks.h"
#include "data/input_log.h"

namespace lathe {

namespace {

// Large enough that starting a thread for it costs nothing, small enough to keep few in memory.
constexpr size_t kEncodeBatchBytes = size_t{1} << 20;
constexpr size_t kCountBatchBytes = size_t{8} << 20;

struct Text {
  std::string text;
  size_t file;  // of the reader's
};

// Calls take(texts) with batches of about n_bytes, in order, until there are no more.
template <class Take>
void read_batches(DocumentReader& reader, size_t n_bytes, const Take& take) {
  std::string text;
  for (bool more = true; more;) {
    std::vector<Text> batch;
    size_t batch_bytes = 0;
    while (batch_bytes < n_bytes && (more = reader.next(text))) {
      batch_bytes += text.size();
      batch.push_back({std::move(text), reader.file()});
    }
    take(std::move(batch));
  }
}

struct Document {
  std::vector<int32_t> ids;
  i64 n_bytes;
  uint64_t hash;
  size_t file;
};

std::vector<Document> encode(const std::vector<Text>& batch, const Tokenizer& tokenizer) {
  std::vector<Document> documents;
  for (const auto& [text, file] : batch) {
    documents.push_back(
        {tokenizer.encode(text), static_cast<i64>(text.size()), content_hash(text), file});
  }
  return documents;
}

}  // namespace

DatasetInfo encode_corpus(DocumentReader& reader, const Tokenizer& tokenizer,
                          const std::string& dir, const EncodeOptions& options,
                          const std::function<void(const PrepareProgress&)>& on_progress) {
  DatasetWriter writer(dir, tokenizer, options.val_fraction, options.shard_tokens,
                       options.split_seed);
  InputLog inputs(dir, reader.files());
  PrepareProgress progress;
  OrderedTasks<std::vector<Document>> tasks(options.n_threads, [&](std::vector<Document> batch) {
    for (Document& document : batch) {
      const i64 n_tokens = static_cast<i64>(document.ids.size()) + 1;
      ++progress.n_documents;
      progress.n_tokens += n_tokens;
      progress.n_bytes += document.n_bytes;
      inputs.add(document.file, n_tokens, document.n_bytes, document.hash);
      writer.add_document(std::move(document.ids), document.n_bytes, document.hash);
    }
    on_progress(progress);
  });
  read_batches(reader, kEncodeBatchBytes, [&](std::vector<Text> batch) {
    tasks.add([&tokenizer, batch = std::move(batch)] { return encode(batch, tokenizer); });
  });
  tasks.finish();
  inputs.finish();
  return writer.finish();
}

WordCounts count_words(DocumentReader& reader, int n_threads,
                       const std::function<void(const WordCounts&)>& on_progress) {
  WordCounts total;
  OrderedTasks<WordCounts> tasks(n_threads, [&](WordCounts counts) {
    total.merge(counts);
    on_progress(total);
  });
  read_batches(reader, kCountBatchBytes, [&](std::vector<Text> batch) {
    tasks.add([batch = std::move(batch)] {
      WordCounts counts;
      for (const Text& document : batch) counts.add(document.text);
      return counts;
    });
  });
  tasks.finish();
  return total;
}

}  // namespace lathe
