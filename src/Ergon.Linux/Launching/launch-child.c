// What the child of a divided launch executes: see LaunchChild.cs, which has the machine code of this function for x86-64, made by
//   gcc -Os -fPIC -ffreestanding -fno-stack-protector -fcf-protection=none -fno-jump-tables -fno-asynchronous-unwind-tables -c
// It calls nothing but the kernel and posix_spawn, so that it needs nothing of the runtime, the memory of which it shares.

struct step
{
    int kind, number, result_slot, tolerated, also_tolerated;
    long arguments[5];
    signed char argument_slots[5];
};

struct child
{
    const struct step *steps;
    long first, end;
    int *failed_step, *error;
    long *slots;
    int (*spawn)(int *, const char *, const void *, const void *, char *const *, char *const *);
    long wait_id, file_access;
};

static inline long call(long number, long a, long b, long c, long d, long e)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
    return result;
}

int run(const struct child *child)
{
    for (long i = child->first; i < child->end; i++)
    {
        const struct step *step = child->steps + i;
        long a[5], result = 0, error;
        for (int n = 0; n < 5; n++) a[n] = step->argument_slots[n] < 0 ? step->arguments[n] : child->slots[step->argument_slots[n]];
        if (step->kind == 0)
        {
            do result = call(step->number, a[0], a[1], a[2], a[3], a[4]);
            while (result == -4);
            error = result < 0 && result >= -4095 ? -result : 0;
        }
        else if (step->kind == 1)
        {
            // The first candidate that can be executed is; "permission denied" is remembered over "not found", as execvp does.
            error = 2;
            for (const char *const *candidate = (const char *const *)a[0]; *candidate; candidate++)
            {
                int id = 0;
                long failure = -call(child->file_access, -100, (long)*candidate, 1, 0, 0);
                if (!failure) failure = child->spawn(&id, *candidate, (void *)a[1], (void *)a[2], (char *const *)a[3], (char *const *)a[4]);
                if (!failure)
                {
                    error = 0;
                    result = id;
                    break;
                }

                if (failure == 2 || failure == 20) continue;
                error = failure;
                if (failure != 13) break;
            }
        }
        else
        {
            const int *info = (const int *)a[1];
            do error = -call(child->wait_id, 1, a[0], a[1], 4, 0);
            while (error == 4);
            if (!error && (info[2] != 1 || info[6])) error = 5;
        }

        if (error && error != step->tolerated && error != step->also_tolerated)
        {
            *child->error = (int)error;
            *child->failed_step = (int)i;
            return 0;
        }

        if (!error && step->result_slot >= 0) child->slots[step->result_slot] = result;
    }

    return 0;
}
