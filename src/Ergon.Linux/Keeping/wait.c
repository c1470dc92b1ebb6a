// What a keeper executes where it can: waits for the end of its input. Starts in a fourth of the time that cat takes, which needs a C library. Made into wait.x64 by
// gcc -Os -static -nostdlib -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables -fno-pic -no-pie -Wl,--build-id=none,-z,noseparate-code,-s
enum { SYS_read = 0, SYS_exit_group = 231, EINTR = 4 };

static long call(long n, long a, long b, long c) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return result;
}

void _start(void) {
  char bytes[64];
  long count;
  do count = call(SYS_read, 0, (long)bytes, sizeof bytes);
  while (count > 0 || count == -EINTR);
  for (;;) call(SYS_exit_group, 0, 0, 0);
}
