#include "data/prepare.h"

#include "base/atomic_file.h"
#include "base/content_hash.h"
#include "base/ordered_tasks.h"

namespace lathe {

namespace {

// Large enough that starting a thread for it costs nothing, small enough to keep few in memory.
constexpr size_t kEncodeBatchBytes = size_t{1} << 20;
// Going on costs reading up to as much again.
constexpr i64 kJournalBytes = i64{256} << 20;
constexpr size_t kCountBatchBytes = size_t{8} << 20;

struct Text {
  std::string text;
  size_t file;  // of the reader's
  size_t prompt_bytes;
};

struct Batch {
  std::vector<Text> texts;
  std::optional<ReadPlace> end;  // behind them; nothing at the end of the corpus
};

// Calls take(batch) with batches of about n_bytes, in order, until there are no more.
template <class Take>
void read_batches(DocumentReader& reader, size_t n_bytes, const Take& take) {
  std::string text;
  for (bool more = true; more;) {
    Batch batch;
    size_t batch_bytes = 0;
    while (batch_bytes < n_bytes && (more = reader.next(text))) {
      batch_bytes += text.size();
      batch.texts.push_back({std::move(text), reader.file(), reader.prompt_bytes()});
    }
    if (more) batch.end = reader.place();
    take(std::move(batch));
  }
}

struct Document {
  EncodedText text;
  i64 n_bytes;
  uint64_t hash;
  size_t file;
};

struct Encoded {
  std::vector<Document> documents;
  std::optional<ReadPlace> end;
};

Encoded encode(const Batch& batch, const Tokenizer& tokenizer) {
  Encoded encoded{{}, batch.end};
  for (const auto& [text, file, prompt_bytes] : batch.texts) {
    encoded.documents.push_back({encode_prompted(tokenizer, text, prompt_bytes),
                                 static_cast<i64>(text.size()), content_hash(text), file});
  }
  return encoded;
}

// What encode_corpus() writes, and the journal of it.
class Preparation {
 public:
  Preparation(const DocumentReader& reader, const Tokenizer& tokenizer, const std::string& dir,
              const EncodeOptions& options, const std::optional<PrepareJournal>& from)
      : dir_(dir),
        command_(options.command),
        writer_(dir, tokenizer, options.val_fraction, options.shard_tokens, options.split_seed),
        inputs_(dir, reader.files(), from ? from->inputs : InputLog::Progress{}) {
    if (!from) return;
    writer_.resume(from->data);
    for (const SplitProgress* split : {&from->data.train, &from->data.val}) {
      progress_.n_documents += split->sums.documents;
      progress_.n_tokens += split->sums.tokens;
      progress_.n_bytes += split->sums.bytes;
    }
    progress_.resumed_bytes = journal_bytes_ = progress_.n_bytes;
    journal_shards_ = writer_.n_shards();
  }

  void add(Encoded encoded) {
    for (Document& document : encoded.documents) {
      const i64 n_tokens = static_cast<i64>(document.text.ids.size()) + 1;
      ++progress_.n_documents;
      progress_.n_tokens += n_tokens;
      progress_.n_bytes += document.n_bytes;
      inputs_.add(document.file, n_tokens, document.n_bytes, document.hash);
      writer_.add(std::move(document.text), document.n_bytes, document.hash);
    }
    const bool due =
        writer_.n_shards() > journal_shards_ || progress_.n_bytes - journal_bytes_ >= kJournalBytes;
    if (due && encoded.end) write_journal(*encoded.end);
  }

  const PrepareProgress& progress() const { return progress_; }

  DatasetInfo finish() {
    inputs_.finish();
    return writer_.finish();
  }

 private:
  void write_journal(const ReadPlace& place) {
    const auto data = writer_.progress();
    if (!data) return;
    write_file_atomically(dir_ + "/" + kJournalFile,
                          to_json({command_, place, inputs_.progress(), *data}));
    journal_shards_ = writer_.n_shards();
    journal_bytes_ = progress_.n_bytes;
  }

  std::string dir_;
  Json command_;
  DatasetWriter writer_;
  InputLog inputs_;
  PrepareProgress progress_;
  i64 journal_shards_ = 0, journal_bytes_ = 0;  // as they were in the journal
};

}  // namespace

DatasetInfo encode_corpus(DocumentReader& reader, const Tokenizer& tokenizer,
                          const std::string& dir, const EncodeOptions& options,
                          const std::function<void(const PrepareProgress&)>& on_progress) {
  std::optional<PrepareJournal> from;
  if (options.resume) {
    from = load_prepare_journal(dir, options.command);
    reader.skip_to(from->place);
  }
  Preparation preparation(reader, tokenizer, dir, options, from);
  OrderedTasks<Encoded> tasks(options.n_threads, [&](Encoded encoded) {
    preparation.add(std::move(encoded));
    on_progress(preparation.progress());
  });
  read_batches(reader, kEncodeBatchBytes, [&](Batch batch) {
    tasks.add([&tokenizer, batch = std::move(batch)] { return encode(batch, tokenizer); });
  });
  tasks.finish();
  return preparation.finish();
}

WordCounts count_words(DocumentReader& reader, int n_threads,
                       const std::function<void(const WordCounts&)>& on_progress) {
  WordCounts total;
  OrderedTasks<WordCounts> tasks(n_threads, [&](WordCounts counts) {
    total.merge(counts);
    on_progress(total);
  });
  read_batches(reader, kCountBatchBytes, [&](Batch batch) {
    tasks.add([batch = std::move(batch)] {
      WordCounts counts;
      for (const Text& document : batch.texts) counts.add(document.text);
      return counts;
    });
  });
  tasks.finish();
  return total;
}

}  // namespace lathe
