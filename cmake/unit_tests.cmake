# lathe_unit_tests(NAME LABEL label LIBS lib... SOURCES file...):
# one program NAME from the files, and one ctest entry a file, so that a failure names the file.
# SLOW lists those of the files whose entry is labelled slow in place of LABEL.
function(lathe_unit_tests name)
  cmake_parse_arguments(ARG "" "LABEL" "LIBS;SOURCES;SLOW" ${ARGN})
  add_executable(${name} ${PROJECT_SOURCE_DIR}/tests/support/doctest_main.cpp ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LIBS})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_compile_definitions(${name} PRIVATE LATHE_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                             LATHE_BIN_DIR="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
  lathe_warnings(${name})
  foreach(file ${ARG_SOURCES})
    get_filename_component(stem ${file} NAME_WE)
    add_test(NAME ${name}.${stem} COMMAND ${name} --source-file=*/${file} --no-version)
    set(label ${ARG_LABEL})
    if(file IN_LIST ARG_SLOW)
      set(label slow)
    endif()
    set_tests_properties(${name}.${stem} PROPERTIES LABELS "${label}" TIMEOUT 600)
  endforeach()
endfunction()
