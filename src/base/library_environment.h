// What a program with LibTorch needs in its environment before its libraries are loaded.
#pragma once

namespace lathe {

// Limits LibTorch to the class that LATHE_CPU_ISA names, and keeps OpenMP's threads from spinning
// where the user has set neither OMP_WAIT_POLICY nor GOMP_SPINCOUNT. Returns whether that changed
// this process's environment, which programs that are started from here on get; what is loaded
// already may have read the old one. Error where LATHE_CPU_ISA is wrong.
bool set_library_environment();

// The same for a program that has those libraries in it, first thing in main: if something had to
// be changed, starts the program anew in this process. `argv` is main's. Error if it cannot.
void enter_library_environment(char** argv);

}  // namespace lathe
