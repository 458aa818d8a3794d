"""The screens: chat, picker, help, paste."""
