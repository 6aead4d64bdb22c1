// The files that a command's inputs stand for.
#pragma once

#include <string>
#include <vector>

namespace lathe {

// In order: a file is itself, a folder all regular files below it in the order of their paths,
// without hidden ones and without folders in it that `lathe data prepare` has made. Links are
// followed; what a link leads to is read once, not at all where it has been met without the link,
// so that loops end. With `extensions` (".py") only the files of a folder with such an ending, also
// before .gz or .zst. `left_out` are files and folders that a folder is read without, whatever
// their names there: what the command itself writes, its tokenizer. Throws Error for a path that is
// missing or cannot be read, for a link to nothing, and for a folder that yields no file.
std::vector<std::string> list_input_files(const std::vector<std::string>& inputs,
                                          const std::vector<std::string>& extensions,
                                          const std::vector<std::string>& left_out = {});

}  // namespace lathe
