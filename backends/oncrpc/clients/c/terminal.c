/* The terminal: lines that come in, events that go out. See terminal.h. */
#include "terminal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- lines that come in -------------------------------------------------- */

/* stdio would hide from poll() what it has read ahead: so stdin is read and cut into lines here. */
enum input next_line(int wake, char **line, size_t *size)
{
    static char held[LONGEST_LINE + 2]; /* the longest line, its newline, and a NUL */
    static size_t start, end, lost;     /* lost: bytes of an endless line that were let go */
    static int ended;

    for (;;) {
        char *newline = memchr(held + start, '\n', end - start);
        if (newline != NULL || (ended && end - start + lost > 0)) {
            char *stop = newline != NULL ? newline : held + end;
            *line = held + start;
            *size = (size_t)(stop - *line) + lost;
            *stop = '\0';
            start = newline != NULL ? (size_t)(stop - held) + 1 : end;
            lost = 0;
            return INPUT_LINE;
        }
        if (ended)
            return INPUT_END;

        memmove(held, held + start, end - start);
        end -= start;
        start = 0;
        if (end > LONGEST_LINE) {
            lost += end;
            end = 0;
        }

        struct pollfd wanted[2] = {{.fd = wake, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
        if (poll(wanted, 2, -1) < 0 && errno != EINTR)
            return INPUT_END;
        if (wanted[0].revents != 0)
            return INPUT_WOKEN;
        if (wanted[1].revents == 0)
            continue;
        ssize_t got = read(STDIN_FILENO, held + end, LONGEST_LINE + 1 - end);
        if (got > 0)
            end += (size_t)got;
        else if (got == 0 || errno != EINTR)
            ended = 1;
    }
}

/* ---- events that go out -------------------------------------------------- */

/* A server lets no such character pass; this is for one that does. Keeps the length. */
static char *harmless(char *text)
{
    for (unsigned char *byte = (unsigned char *)text; *byte != '\0'; byte++) {
        if (*byte == '\n' || *byte == '\t')
            *byte = ' ';
        else if (*byte < 0x20 || *byte == 0x7f)
            *byte = '?';
        else if (byte[0] == 0xc2 && byte[1] >= 0x80 && byte[1] < 0xa0) /* U+0080 to U+009F, as UTF-8 */
            byte[0] = byte[1] = '?';
    }
    return text;
}

void show_event(chat_event *event)
{
    const char *author = harmless(event->author), *technique = harmless(event->technique);
    const char *text = harmless(event->text);
    unsigned long long id = event->id;

    switch (event->kind) {
    case CHAT_OPENED:
        printf("* the room was opened\n");
        break;
    case CHAT_JOINED:
        printf("* %s joined (%s)\n", author, technique);
        break;
    case CHAT_RESUMED:
        printf("* %s moved to %s\n", author, technique);
        break;
    case CHAT_LEFT:
        printf("* %s left\n", author);
        break;
    case CHAT_SENT:
        printf("[%llu] %s (%s): %s\n", id, author, technique, text);
        break;
    case CHAT_EDITED:
        printf("[%llu]* %s: %s\n", id, author, text);
        break;
    case CHAT_DELETED:
        printf("[%llu] deleted\n", id);
        break;
    }
}

void show_member(chat_member *member)
{
    printf("* %s is here (%s)\n", harmless(member->nick), harmless(member->technique));
}

void vtell(const char *mark, const char *format, va_list arguments)
{
    char text[2 * CHAT_MAX_REASON];

    vsnprintf(text, sizeof text, format, arguments);
    fprintf(stderr, "%s %s\n", mark, harmless(text));
}

void tell(const char *mark, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vtell(mark, format, arguments);
    va_end(arguments);
}
