# Finds Apache Arrow with Parquet: LATHE_ARROW (the folder of a pyarrow package), else the wheel in
# .venv, else a pyarrow that python3 can import. Without it `lathe` reads all but Parquet. Sets
# LATHE_HAS_ARROW and the target lathe_arrow.
set(LATHE_ARROW "" CACHE PATH "Folder of the pyarrow package that holds Arrow and Parquet")
if(NOT LATHE_ARROW)
  file(GLOB candidates ${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/pyarrow)
  execute_process(COMMAND python3 -c "import importlib.util as u, os
s = u.find_spec('pyarrow')
print(os.path.dirname(s.origin) if s and s.origin else '')"
                  OUTPUT_VARIABLE imported OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  foreach(candidate ${candidates} ${imported})
    if(NOT LATHE_ARROW AND EXISTS ${candidate}/include/parquet/file_reader.h)
      set(LATHE_ARROW ${candidate})
    endif()
  endforeach()
elseif(NOT EXISTS ${LATHE_ARROW}/include/parquet/file_reader.h)
  message(FATAL_ERROR "LATHE_ARROW=${LATHE_ARROW} has no include/parquet/file_reader.h, expected "
                      "the folder of a pyarrow package")
endif()

# The wheel has libarrow.so.2600 alone, an installed Arrow libarrow.so too.
set(LATHE_HAS_ARROW OFF)
if(LATHE_ARROW)
  file(GLOB arrow_libraries ${LATHE_ARROW}/libarrow.so*)
  file(GLOB parquet_libraries ${LATHE_ARROW}/libparquet.so*)
  if(arrow_libraries AND parquet_libraries)
    list(GET arrow_libraries 0 arrow_library)
    list(GET parquet_libraries 0 parquet_library)
    add_library(lathe_arrow INTERFACE)
    target_include_directories(lathe_arrow SYSTEM INTERFACE ${LATHE_ARROW}/include)
    target_link_libraries(lathe_arrow INTERFACE ${parquet_library} ${arrow_library})
    set(LATHE_HAS_ARROW ON)
  endif()
endif()
if(LATHE_HAS_ARROW)
  message(STATUS "Arrow: ${LATHE_ARROW}")
else()
  message(STATUS "no Arrow: lathe will not read Parquet (scripts/setup --parquet gets it)")
endif()
