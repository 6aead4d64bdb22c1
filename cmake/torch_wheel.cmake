# Finds LibTorch: LATHE_TORCH (a torch package's folder or an unpacked LibTorch), else the wheel in
# .venv, else a torch that python3 can import.
set(LATHE_TORCH "" CACHE PATH "Folder of the torch package that holds LibTorch")
if(NOT LATHE_TORCH)
  file(GLOB candidates ${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch)
  foreach(candidate ${candidates})
    if(EXISTS ${candidate}/share/cmake/Torch/TorchConfig.cmake)
      set(LATHE_TORCH ${candidate} CACHE PATH "" FORCE)
    endif()
  endforeach()
endif()
if(NOT LATHE_TORCH)
  execute_process(COMMAND python3 -c "import torch, os; print(os.path.dirname(torch.__file__))"
                  OUTPUT_VARIABLE imported OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(imported)
    set(LATHE_TORCH ${imported} CACHE PATH "" FORCE)
  endif()
endif()
if(NOT EXISTS ${LATHE_TORCH}/share/cmake/Torch/TorchConfig.cmake)
  message(FATAL_ERROR "no LibTorch found; run scripts/setup, or set LATHE_TORCH to the folder of a "
                      "torch package, or build without it: cmake --preset lean")
endif()
# Not through CMAKE_PREFIX_PATH: the wheel's folder also holds headers of another oneDNN and fmt, which
# must not be found for the rest of lathe.
find_package(Torch REQUIRED PATHS ${LATHE_TORCH} NO_DEFAULT_PATH)
message(STATUS "LibTorch: ${LATHE_TORCH}")
