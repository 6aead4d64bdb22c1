# cmake -DNM=… "-DOBJECTS=a.o;b.o" -P: fails when an object built for a wider CPU defines a weak symbol.
# The linker keeps one copy of such a symbol, maybe this one, and calls it on older CPUs too.
# PATTERN: which objects these are; isa_*.cpp's where it is not given.
if(NOT DEFINED PATTERN)
  set(PATTERN "/isa_[a-z0-9_]*\\.cpp\\.o$")
endif()
set(checked 0)
foreach(object ${OBJECTS})
  if(NOT object MATCHES "${PATTERN}")
    continue()
  endif()
  execute_process(COMMAND ${NM} --defined-only -C ${object} OUTPUT_VARIABLE symbols
                  COMMAND_ERROR_IS_FATAL ANY)
  if(symbols MATCHES "[0-9a-f]+ [WVu] [^\n]*")
    message(FATAL_ERROR "${object} defines a weak symbol: ${CMAKE_MATCH_0}")
  endif()
  math(EXPR checked "${checked} + 1")
endforeach()
if(checked EQUAL 0)
  message(FATAL_ERROR "no such object among: ${OBJECTS}")
endif()
