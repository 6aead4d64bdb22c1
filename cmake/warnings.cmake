# lathe_warnings(TARGET): the warnings every target of ours is built with, and its sanitizers.
function(lathe_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
                         # A value without its case would silently run as another one.
                         -Werror=switch -Wno-missing-field-initializers
                         # GCC 12 sees overlaps in std::string's operator+ that are not there.
                         $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
  if(LATHE_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(LATHE_DCHECK)
    target_compile_definitions(${target} PRIVATE LATHE_DCHECK_ON)
  endif()
  if(LATHE_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${LATHE_SANITIZE} -fno-omit-frame-pointer
                           -fno-sanitize-recover=all)
    target_link_options(${target} PRIVATE -fsanitize=${LATHE_SANITIZE})
  endif()
  if(LATHE_LIBFUZZER)
    # What the targets reach counts its edges for libFuzzer; only they themselves get its main().
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
    target_link_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
  endif()
endfunction()
