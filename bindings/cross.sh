# Sourced by the scripts here: compiles for a phone on any Linux machine with Debian's clang, without NDK or Xcode. What
# is made so is for checking and measuring; what ships is built by `package`, with them.

# Headers that ring's C code includes and that come with an NDK or SDK otherwise.
cross_headers() {
  local directory=$1
  mkdir -p "$directory"
  cat > "$directory/string.h" <<'C'
#pragma once
#include <stddef.h>
void *memcpy(void *, const void *, size_t);
void *memmove(void *, const void *, size_t);
void *memset(void *, int, size_t);
int memcmp(const void *, const void *, size_t);
size_t strlen(const char *);
C
  printf '#pragma once\n#include <stddef.h>\nvoid abort(void);\n' > "$directory/stdlib.h"
  printf '#pragma once\n#define assert(condition) ((void)0)\n' > "$directory/assert.h"
  printf '#pragma once\n#define TARGET_OS_IPHONE 1\n#define TARGET_OS_OSX 0\n' > "$directory/TargetConditionals.h"
}

# cross TARGET COMMAND…: runs a command that compiles for the target.
cross() {
  local target=$1 cache name upper flags; shift
  if ! command -v clang >/dev/null || ! command -v llvm-ar >/dev/null || ! command -v ld.lld >/dev/null; then
    echo "clang, lld and llvm are missing; on Debian: apt-get install clang lld llvm" >&2
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
      apt-get update -qq
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq clang lld llvm >/dev/null
    else
      return 1
    fi
  fi
  rustup target add "$target" >/dev/null 2>&1 || { echo "rustup cannot add $target" >&2; return 1; }
  cache=${XDG_CACHE_HOME:-$HOME/.cache}/godkend/cross
  cross_headers "$cache/include"
  mkdir -p "$cache/iPhoneOS.sdk"
  name=${target//-/_}
  upper=$(printf %s "$name" | tr '[:lower:]' '[:upper:]')
  flags="-ffreestanding -fno-builtin -isystem $cache/include"
  case $target in armv7-linux-androideabi) flags="$flags --target=armv7a-linux-androideabi26" ;; esac
  env "CC_$name=clang" "AR_$name=llvm-ar" "CFLAGS_$name=$flags" \
    "SDKROOT=$cache/iPhoneOS.sdk" IPHONEOS_DEPLOYMENT_TARGET=15.0 \
    "CARGO_TARGET_${upper}_LINKER=${CROSS_LINKER:-clang}" "$@"
}
