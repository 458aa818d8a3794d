/* The terminal: lines that come in, events that go out. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include <stdarg.h>
#include <stddef.h>

#include "chat.h"

enum { LONGEST_LINE = CHAT_MAX_TEXT + 64 }; /* "/edit ID " and a text */

enum input { INPUT_LINE, INPUT_END, INPUT_WOKEN };

/*
 * Wait for the next line of stdin, or until `wake` can be read: INPUT_WOKEN.
 *
 * `*size` is the line's size without its newline; of more than LONGEST_LINE, `*line` holds only the rest.
 */
enum input next_line(int wake, char **line, size_t *size);

/*
 * Print one line on stdout. What others wrote is data: in it, a character on which the terminal would act
 * becomes a question mark, and a newline a blank.
 */
void show_event(chat_event *event);
void show_member(chat_member *member);

/* Print one line on stderr, after a mark: what was refused ("!"), what becomes of the connection ("*"). */
void tell(const char *mark, const char *format, ...) __attribute__((format(printf, 2, 3)));
void vtell(const char *mark, const char *format, va_list arguments);

#endif
