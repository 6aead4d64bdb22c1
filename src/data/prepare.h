// What is made of a corpus: token shards, or the words that a tokenizer learns from. Documents are
// read on the calling thread, worked on by others, and taken in the order of reading, so that a
// result does not depend on the number of threads.
#pragma once

#include <functional>

#include "data/dataset.h"
#include "data/document_reader.h"
#include "data/prepare_journal.h"
#include "text/bpe_trainer.h"

namespace lathe {

// How far it is, after each batch.
struct PrepareProgress {
  i64 n_documents = 0, n_tokens = 0, n_bytes = 0;
  i64 resumed_bytes = 0;  // of n_bytes, those that an earlier process has done
};

struct EncodeOptions {
  double val_fraction = 0.01;
  uint64_t split_seed = 0;  // another one, another choice of validation documents
  i64 shard_tokens = kDefaultShardTokens;
  int n_threads = 1;
  // All that the result depends on, of the files and of how they are read too: what an earlier
  // process must have been given for this one to go on (see PrepareJournal).
  Json command = Json::object();
  bool resume = false;  // `dir` has the journal of one
};

// Fills the empty folder `dir` with the shards of the reader's documents, the tokenizer and
// dataset.json. On the way it keeps a PrepareJournal there, anew with every whole shard and every
// few hundred megabytes; with `resume` it goes on from that, to the same files, bit for bit.
DatasetInfo encode_corpus(DocumentReader& reader, const Tokenizer& tokenizer,
                          const std::string& dir, const EncodeOptions& options,
                          const std::function<void(const PrepareProgress&)>& on_progress);

// The words of the reader's documents, counted.
WordCounts count_words(DocumentReader& reader, int n_threads,
                       const std::function<void(const WordCounts&)>& on_progress);

}  // namespace lathe
