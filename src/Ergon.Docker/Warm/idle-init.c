// What a container runs that was made before anybody asked for it: it connects to the executor, waits for one command, and becomes it.
// No C library: it must run in images that have none. Made into idle-init-x86_64 by
// gcc -Os -static -nostdlib -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables -fno-pic -no-pie -Wl,--build-id=none,-z,noseparate-code,-s
//
// The command is a file, which is there from one moment to the next: whether it is there tells a later executor whether the job has begun,
// or will. A byte, or the end of the connection, makes this program look for it; without it there is nobody left to wait for, and it ends.
// The file: the number of arguments, the number of variables (32 bits each, little-endian), the arguments and the variables, each ended by
// a zero byte. The answer on the connection: its end, when the command runs; else the error number of why it cannot (32 bits).
typedef unsigned int u32;
typedef unsigned long u64;

enum { SYS_read = 0, SYS_write = 1, SYS_open = 2, SYS_close = 3, SYS_getpid = 39, SYS_socket = 41, SYS_connect = 42, SYS_execve = 59, SYS_exit_group = 231 };
enum { ENOENT = 2, EINTR = 4, E2BIG = 7, ENOEXEC = 8, EACCES = 13, ENOTDIR = 20 };
enum { MaxBytes = 1 << 20, MaxStrings = 1 << 15, MaxPath = 4096 };

static const struct { unsigned short family; char path[28]; } address = { 1, "/dev/.ergon/socket" };
static char command[MaxBytes], program[MaxPath];
static char *arguments[MaxStrings + 2], *variables[2 * MaxStrings + 1];

static long call(long n, long a, long b, long c) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return result;
}

static void end(int code) {
  for (;;) call(SYS_exit_group, code, 0, 0);
}

// Returns how many bytes the file has; 0 when there is none, or it has too many.
static u64 read_command(void) {
  int file = (int)call(SYS_open, (long)"/dev/.ergon/command", 02000000, 0);
  u64 count = 0;
  while (file >= 0 && count < MaxBytes) {
    long n = call(SYS_read, file, (long)(command + count), (long)(MaxBytes - count));
    if (n == 0) break;
    if (n > 0) count += (u64)n;
    else if (n != -EINTR) count = MaxBytes;
  }
  if (file >= 0) call(SYS_close, file, 0, 0);
  return count < MaxBytes ? count : 0;
}

// Whether two variables have the same name.
static int same_name(const char *a, const char *b) {
  for (; *a == *b; a++, b++)
    if (*a == '=' || *a == 0) return 1;
  return 0;
}

static const char *value_of(const char *name) {
  for (char **variable = variables; *variable; variable++)
    if (same_name(*variable, name)) {
      const char *at = *variable;
      while (*at && *at != '=') at++;
      return *at ? at + 1 : at;
    }
  return 0;
}

// Replaces this program; comes back with the reason when it cannot. A text without an interpreter's name is a shell's script, as to execvp.
static int become(char *path) {
  int error = (int)-call(SYS_execve, (long)path, (long)(arguments + 1), (long)variables);
  if (error != ENOEXEC || call(SYS_getpid, 0, 0, 0) == 1) return error;
  char *first = arguments[1];
  arguments[0] = (char *)"/bin/sh";
  arguments[1] = path;
  error = (int)-call(SYS_execve, (long)"/bin/sh", (long)arguments, (long)variables);
  arguments[1] = first;
  return error;
}

static int search(void) {
  char *name = arguments[1];
  if (!*name) return ENOENT;
  for (char *at = name; *at; at++)
    if (*at == '/') return become(name);
  const char *path = value_of("PATH=");
  if (!path) path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  int denied = 0;
  for (;;) {
    u64 length = 0;
    for (; *path && *path != ':'; path++)
      if (length < MaxPath - 2) program[length++] = *path;
    if (length == 0) program[length++] = '.';
    program[length++] = '/';
    for (char *at = name; *at && length < MaxPath - 1; at++) program[length++] = *at;
    program[length] = 0;
    int error = become(program);
    if (error == EACCES) denied = 1;
    else if (error != ENOENT && error != ENOTDIR) return error;
    if (!*path++) return denied ? EACCES : ENOENT;
  }
}

// Sets out the arguments from the second place on, and the variables of the container with those of the command in their place.
static int set_out(u64 count, char **own) {
  const u32 *head = (const u32 *)command;
  if (count < 8 || head[0] == 0 || head[0] > MaxStrings || head[1] > MaxStrings || command[count - 1] != 0) return 0;
  char *at = command + 8, *last = command + count;
  for (u32 i = 0; i < head[0] + head[1]; i++) {
    if (at >= last) return 0;
    if (i < head[0]) arguments[i + 1] = at;
    else variables[i - head[0]] = at;
    while (*at++) {}
  }
  u32 total = head[1];
  for (; *own && total < 2 * MaxStrings; own++) {
    u32 i = 0;
    while (i < head[1] && !same_name(variables[i], *own)) i++;
    if (i == head[1]) variables[total++] = *own;
  }
  return 1;
}

__attribute__((used)) static void run(long *stack) {
  char **own = (char **)(stack + stack[0] + 2);
  char byte;
  int executor = (int)call(SYS_socket, 1, 1 | 02000000, 0);
  if (executor < 0 || call(SYS_connect, executor, (long)&address, sizeof address) < 0) end(125);
  while (call(SYS_read, executor, (long)&byte, 1) == -EINTR) {}
  u64 count = read_command();
  if (count == 0) end(125);
  u32 error = set_out(count, own) ? (u32)search() : E2BIG;
  call(SYS_write, executor, (long)&error, sizeof error);
  end(error == ENOENT ? 127 : 126);
}

__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call run\n");
