/*
 * The program through which every process of a container is started. ContainerInit.cs has it in compiled form:
 *
 *   gcc -Os -static -nostdlib -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none -fno-pie -no-pie \
 *       -Wl,--build-id=none -Wl,-z,noseparate-code -Wl,-z,norelro -s -o init container-init.c && strip -R .comment init
 *
 *   init run FILTER COUNT { N ARG{N} }{COUNT}   the first process: runs commands one after the other until one fails, forwards signals to
 *                                               the one that runs, collects orphans. FILTER is the descriptor of a seccomp program, or empty.
 *   init become FILTER ARG...                   loads the filter and becomes the command.
 *   init terminal FILTER ARG...                 the same, with descriptor 0 as the terminal of its session.
 *   init attend ARG...                          on the host: runs a command that leaves a child behind, and ends as that child does.
 *
 * How it stands is in the name of the process, which the kernel keeps until somebody collects it:
 *   "@PID" while a command runs, "=INDEX:STATUS" when one has ended (wait(2)), "!INDEX:ERRNO" when one could not be executed.
 * Descriptor 3, which all of them are given, is closed as soon as the first command runs; so are 4, this program, and 5, the filter. Neither is
 * looked up by a path, which a volume or a link of the image could lead elsewhere.
 */
typedef unsigned long word;

#define SYS_write 1
#define SYS_close 3
#define SYS_rt_sigaction 13
#define SYS_rt_sigprocmask 14
#define SYS_ioctl 16
#define SYS_pread64 17
#define SYS_vfork 58
#define SYS_execve 59
#define SYS_wait4 61
#define SYS_kill 62
#define SYS_fcntl 72
#define SYS_setsid 112
#define SYS_rt_sigtimedwait 128
#define SYS_prctl 157
#define SYS_exit_group 231
#define SYS_seccomp 317

#define ENOENT 2
#define EINTR 4
#define ECHILD 10
#define EACCES 13
#define ENOTDIR 20

#define SIGNALS 64
#define SIGCHLD 17
#define READY 3
#define LAST_GIVEN 5
#define MAX_FILTER 32768

static inline long call(long number, word a, word b, word c, word d)
{
    register word r10 __asm__("r10") = d;
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
    return result;
}

static char **environment;
static volatile int failure;
static char filter[MAX_FILTER];
static word all = ~0UL, none = 0;

static void finish(int code)
{
    for (;;) call(SYS_exit_group, code, 0, 0, 0);
}

static char *put(char *at, unsigned number)
{
    char digits[12];
    int count = 0;
    do digits[count++] = '0' + number % 10; while ((number /= 10) != 0);
    while (count > 0) *at++ = digits[--count];
    return at;
}

static void tell(char kind, unsigned first, int second)
{
    char name[24], *at = name;
    *at++ = kind;
    at = put(at, first);
    if (second >= 0) { *at++ = ':'; at = put(at, second); }
    *at = 0;
    call(SYS_prctl, 15, (word)name, 0, 0);
}

static int parse(const char *text)
{
    int number = 0;
    while (*text >= '0' && *text <= '9') number = number * 10 + (*text++ - '0');
    return number;
}

static int begins(const char *text, const char *beginning)
{
    while (*beginning) if (*text++ != *beginning++) return 0;
    return 1;
}

/* The descriptor is shared with other processes, and so is its position. */
static int load(const char *descriptor)
{
    if (*descriptor == 0) return 0;
    long length = 0, count;
    while ((count = call(SYS_pread64, parse(descriptor), (word)filter + length, MAX_FILTER - length, length)) > 0) length += count;
    if (count < 0) return (int)count;
    struct { unsigned short length; void *start; } program = { length / 8, filter };
    return (int)call(SYS_seccomp, 1, 0, (word)&program, 0);
}

/* As execvp: the first that can be executed is; "permission denied" is remembered over "not found". Returns only an error. */
static int execute(char **arguments)
{
    const char *name = arguments[0], *path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    int result = ENOENT, slash = 0;
    for (const char *c = name; *c; c++) slash |= *c == '/';
    if (*name == 0) return ENOENT;
    if (slash) return (int)-call(SYS_execve, (word)name, (word)arguments, (word)environment, 0);
    for (char **e = environment; *e; e++) if (begins(*e, "PATH=")) path = *e + 5;
    for (;;)
    {
        char candidate[4096];
        int length = 0, error;
        while (*path && *path != ':' && length < 3000) candidate[length++] = *path++;
        if (length > 0) candidate[length++] = '/';
        for (const char *c = name; *c && length < 4095; c++) candidate[length++] = *c;
        candidate[length] = 0;
        error = (int)-call(SYS_execve, (word)candidate, (word)arguments, (word)environment, 0);
        if (error != ENOENT && error != ENOTDIR)
        {
            result = error;
            if (error != EACCES) return error;
        }

        while (*path && *path != ':') path++;
        if (*path++ == 0) return result;
    }
}

/* The child runs on its parent's stack, which waits meanwhile. */
static __attribute__((noinline)) void be(char **arguments, int session)
{
    if (session) call(SYS_setsid, 0, 0, 0, 0);
    call(SYS_rt_sigprocmask, 2, (word)&none, 0, 8);
    failure = execute(arguments);
    finish(127);
}

static __attribute__((noinline)) int start(char **arguments, int session)
{
    failure = 0;
    int child = (int)call(SYS_vfork, 0, 0, 0, 0);
    if (child == 0) be(arguments, session);
    if (child < 0) failure = -child;
    return child;
}

static int code_of(int status)
{
    return (status & 0x7f) == 0 ? status >> 8 & 0xff : 128 + (status & 0x7f);
}

static int refused(int error)
{
    return error == ENOENT || error == ENOTDIR ? 127 : 126;
}

/* Waits until the command has ended; everybody else who ends meanwhile is collected. */
static int serve(int child)
{
    for (;;)
    {
        long signal = call(SYS_rt_sigtimedwait, (word)&all, 0, 0, 8);
        if (signal != SIGCHLD)
        {
            if (signal > 0) call(SYS_kill, child, signal, 0, 0);
            continue;
        }

        int status, result = -1;
        long ended;
        while ((ended = call(SYS_wait4, -1, (word)&status, 1, 0)) > 0 || ended == -EINTR) if (ended == child) result = status;
        if (result >= 0) return result;
    }
}

static void run(char **arguments)
{
    int count = parse(*arguments++);
    for (int i = 0; i < count; i++)
    {
        int length = parse(*arguments++);
        char *next = arguments[length];
        arguments[length] = 0;
        int child = start(arguments, 1);
        if (failure == 0) tell('@', child, -1);
        if (i == 0) for (int given = READY; given <= LAST_GIVEN; given++) call(SYS_close, given, 0, 0, 0);
        if (failure != 0)
        {
            tell('!', i, failure);
            finish(refused(failure));
        }

        int status = serve(child);
        arguments += length;
        *arguments = next;
        if (status == 0 && i + 1 < count) continue;
        tell('=', i, status);
        finish(code_of(status));
    }
}

static void say(const char *text)
{
    int length = 0;
    while (text[length]) length++;
    call(SYS_write, 2, (word)text, length, 0);
}

static void become(char **arguments)
{
    int error = execute(arguments);
    tell('!', 0, error);
    say("The command '");
    say(arguments[0]);
    say(refused(error) == 127 ? "' was not found.\n" : "' cannot be executed.\n");
    finish(refused(error));
}

static void attend(char **arguments)
{
    call(SYS_prctl, 36, 1, 0, 0); /* collects what its children leave behind */
    int status, child = start(arguments, 0), result = 0;
    long ended;
    if (failure != 0) finish(255);
    call(SYS_close, READY, 0, 0, 0);
    while ((ended = call(SYS_wait4, -1, (word)&status, 0, 0)) != -ECHILD)
    {
        if (ended <= 0) continue;
        if (ended != child) result = code_of(status);
        else if (status != 0) finish(255);
        else tell('@', child, -1);
    }

    finish(result);
}

void begin(word *stack)
{
    char **arguments = (char **)stack + 1;
    environment = arguments + stack[0] + 1;
    if (begins(arguments[1], "attend")) attend(arguments + 2);
    struct { word handler, flags, restorer, mask; } standard = { 0 };
    for (int i = 1; i <= SIGNALS; i++) call(SYS_rt_sigaction, i, (word)&standard, 0, 8);
    int first = begins(arguments[1], "run");
    if (first) call(SYS_rt_sigprocmask, 2, (word)&all, 0, 8);
    else call(SYS_rt_sigprocmask, 2, (word)&none, 0, 8);
    if (first) call(SYS_prctl, 4, 0, 0, 0); /* the job cannot look into this process */
    if (begins(arguments[1], "terminal")) call(SYS_ioctl, 0, 0x540E, 0, 0);
    for (int given = READY; given <= LAST_GIVEN; given++) call(SYS_fcntl, given, 2, 1, 0); /* close on exec */
    if (load(arguments[2]) < 0) { say("The seccomp filter cannot be loaded.\n"); finish(125); }
    if (first) run(arguments + 3);
    else become(arguments + 3);
    finish(125);
}

__asm__(".globl _start\n_start:\n xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call begin\n");
