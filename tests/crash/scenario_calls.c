/* scenario_calls.c - the list of calls that were made. */
#include "crash/scenario_calls.h"

#include <stdio.h>
#include <string.h>

#include "crash/scenario.h"

static char calls[2048] = " ";

void play_note(const char *name)
{
    char word[64];
    snprintf(word, sizeof word, " %s ", name);
    if (!strstr(calls, word) && strlen(calls) + strlen(word) < sizeof calls)
        strcat(calls, word + 1);
}

const char *play_calls(void)
{
    return calls + 1;
}

void play_calls_reset(void)
{
    strcpy(calls, " ");
}
