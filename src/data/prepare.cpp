#include "data/prepare.h"

#include "base/ordered_tasks.h"
#include "data/document_hash.h"

namespace lathe {

namespace {

// Large enough that starting a thread for it costs nothing, small enough to keep few in memory.
constexpr size_t kEncodeBatchBytes = size_t{1} << 20;
constexpr size_t kCountBatchBytes = size_t{8} << 20;

// Calls take(documents) with batches of about n_bytes, in order, until there are no more.
template <class Take>
void read_batches(DocumentReader& reader, size_t n_bytes, const Take& take) {
  std::string text;
  for (bool more = true; more;) {
    std::vector<std::string> batch;
    size_t batch_bytes = 0;
    while (batch_bytes < n_bytes && (more = reader.next(text))) {
      batch_bytes += text.size();
      batch.push_back(std::move(text));
    }
    take(std::move(batch));
  }
}

struct Document {
  std::vector<int32_t> ids;
  i64 n_bytes;
  uint64_t hash;
};

}  // namespace

DatasetInfo encode_corpus(DocumentReader& reader, const Tokenizer& tokenizer,
                          const std::string& dir, const EncodeOptions& options,
                          const std::function<void(const PrepareProgress&)>& on_progress) {
  DatasetWriter writer(dir, tokenizer, options.val_fraction, options.shard_tokens);
  PrepareProgress progress;
  using Encoded = std::vector<Document>;
  OrderedTasks<Encoded> tasks(options.n_threads, [&](Encoded documents) {
    for (Document& document : documents) {
      ++progress.n_documents;
      progress.n_tokens += static_cast<i64>(document.ids.size()) + 1;
      progress.n_bytes += document.n_bytes;
      writer.add_document(std::move(document.ids), document.n_bytes, document.hash);
    }
    on_progress(progress);
  });
  read_batches(reader, kEncodeBatchBytes, [&](std::vector<std::string> batch) {
    tasks.add([&tokenizer, seed = options.split_seed, batch = std::move(batch)] {
      Encoded documents;
      for (const std::string& document : batch) {
        documents.push_back({tokenizer.encode(document), static_cast<i64>(document.size()),
                             document_hash(document, seed)});
      }
      return documents;
    });
  });
  tasks.finish();
  return writer.finish();
}

WordCounts count_words(DocumentReader& reader, int n_threads,
                       const std::function<void(const WordCounts&)>& on_progress) {
  WordCounts total;
  OrderedTasks<WordCounts> tasks(n_threads, [&](WordCounts counts) {
    total.merge(counts);
    on_progress(total);
  });
  read_batches(reader, kCountBatchBytes, [&](std::vector<std::string> batch) {
    tasks.add([batch = std::move(batch)] {
      WordCounts counts;
      for (const std::string& text : batch) counts.add(text);
      return counts;
    });
  });
  tasks.finish();
  return total;
}

}  // namespace lathe
