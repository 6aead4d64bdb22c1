// What the documents of one file come out of, whatever its format.
#pragma once

#include <string>

#include "base/error.h"
#include "base/integer.h"

namespace lathe {

// One document is not what it should be; those behind it can still be read.
class BadDocument : public Error {
 public:
  using Error::Error;
};

// A place between two documents of one file.
struct SourcePlace {
  i64 offset = 0;  // of Parquet the row; else the byte, unpacked
  i64 line = 0;    // of JSON lines, those before it
};

// Holds one document at a time. One thread at a time.
class DocumentSource {
 public:
  virtual ~DocumentSource() = default;
  // The next document that is not empty, or false at the end. Throws BadDocument, naming the file
  // and the place in it, where one is not what it should be, and can then be called for what comes
  // behind; Error where the file cannot be read or is not what its documents could be in.
  virtual bool next(std::string& document) = 0;
  // Of the document that next() has given: how many of its bytes, at the front, are a prompt.
  virtual size_t prompt_bytes() const { return 0; }
  // Where the next document begins, or what lies before it and is no document.
  virtual SourcePlace place() const = 0;
  // Before the first document: goes on from there, which place() of the same file has given.
  virtual void skip_to(const SourcePlace& place) = 0;
  // Bytes read so far of the file as it lies on the disk, or about as many.
  virtual i64 bytes_taken() const = 0;
};

}  // namespace lathe
