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

// Holds one document at a time. One thread at a time.
class DocumentSource {
 public:
  virtual ~DocumentSource() = default;
  // The next document that is not empty, or false at the end. Throws BadDocument, naming the file
  // and the place in it, where one is not what it should be, and can then be called for what comes
  // behind; Error where the file cannot be read or is not what its documents could be in.
  virtual bool next(std::string& document) = 0;
  // Bytes read so far of the file as it lies on the disk, or about as many.
  virtual i64 bytes_taken() const = 0;
};

}  // namespace lathe
