/**
 * What a terminal would show of a text that moves the cursor or erases, as nested progress bars do. Notebook's renderer
 * knows carriage returns and backspaces only, and repeats each line instead.
 */
define(function () {
    "use strict";

    var MOVES = /\x1b\[[\d;]*[A-HJK]/;
    var TOKENS = /\x1b\[([0-?]*)[ -/]*([@-~])|[^\x1b\n\r\b]+|[\s\S]/g;
    // Links, titles and sets of characters: what they are about is in the text, too, or nothing that a page can show.
    var NOT_SHOWN = /\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()][0-9A-Z]|\x1b[=>78]/g;
    var LINES = {A: -1, B: 1, E: 1, F: -1}, COLUMNS = {C: 1, D: -1};
    var WIDTH = 240;  // columns; no escape moves the cursor farther, nor below the last line
    var LONGEST_STYLE = 80;  // characters of escapes; older ones are forgotten
    var MOST_WORK = 5e7;  // characters that are written or erased: a page must not stand still

    /** @constructor */
    var Screen = function () {
        this._rows = [new Row()];
        this._row = this._column = 0;
        this._style = '';  // escapes that set the colours of what comes next
        this.work = 0;
    };

    Screen.prototype._place = function (row, column) {
        this._row = Math.max(Math.min(row, this._rows.length - 1), 0);
        this._column = Math.max(Math.min(column, Math.max(this._column, WIDTH)), 0);
    };

    Screen.prototype.take = function (text) {
        if (text === '\n') {
            this._row += 1;
            this._column = 0;
            if (this._row === this._rows.length) {
                this._rows.push(new Row());
            }
        } else if (text === '\r') {
            this._column = 0;
        } else if (text === '\b') {
            this._column = Math.max(this._column - 1, 0);
        } else {
            this._rows[this._row].write(this._column, text, this._style);
            this._column += text.length;
            this.work += text.length;
        }
    };

    Screen.prototype.takeEscape = function (escape, values, command) {
        var numbers = values.split(';').map(Number), number = numbers[0] || 1;
        if (command in LINES) {
            this._place(this._row + LINES[command] * number, command === 'E' || command === 'F' ? 0 : this._column);
        } else if (command in COLUMNS) {
            this._place(this._row, this._column + COLUMNS[command] * number);
        } else if (command === 'G') {
            this._place(this._row, number - 1);
        } else if (command === 'H') {
            this._place(number - 1, (numbers[1] || 1) - 1);
        } else if (command === 'K') {
            this._eraseInLine(numbers[0]);
        } else if (command === 'J') {
            this._eraseLines(numbers[0]);
        } else if (command === 'm') {
            this._setStyle(escape, numbers);
        }
    };

    Screen.prototype._setStyle = function (escape, numbers) {
        var style = numbers[0] === 0 ? '' : this._style;
        if (numbers[numbers.length - 1] !== 0 && style.slice(-escape.length) !== escape) {
            style += escape;
        }
        if (style.length > LONGEST_STYLE) {
            style = style.slice(style.indexOf('\x1b', style.length - LONGEST_STYLE));
        }
        this._style = style;
    };

    /** Erase to the end of the line (0), to its begin (1), with the cursor's place, or all of it (2). */
    Screen.prototype._eraseInLine = function (part) {
        var row = this._rows[this._row];
        if (part === 1) {
            row.write(0, ' '.repeat(this._column + 1), '');
            this.work += this._column;
        } else {
            row.cut(part === 0 ? this._column : 0);
        }
    };

    /** Erase what comes after the cursor (0), what is before it (1), or all; lines at the begin are removed. */
    Screen.prototype._eraseLines = function (part) {
        if (part > 1) {
            this._rows = [new Row()];
            this._row = 0;
            return;
        }
        this._eraseInLine(part);
        if (part === 0) {
            this._rows.length = this._row + 1;
        } else if (this._row) {
            this.work += this._rows.length;
            this._rows.splice(0, this._row);
            this._row = 0;
        }
    };

    Screen.prototype.text = function () {
        return this._rows.map(function (row) { return row.text(); }).join('\n');
    };

    /**
     * A line of the screen.
     *
     * @constructor
     */
    var Row = function () {
        this._characters = [];
        this._styles = null;  // one for each character, once there are some
    };

    Row.prototype.write = function (column, text, style) {
        while (this._characters.length < column) {
            this._characters.push(' ');
        }
        if (style && !this._styles) {
            this._styles = [];
        }
        for (var index = 0; index < text.length; index += 1) {
            this._characters[column + index] = text[index];
            if (this._styles) {
                this._styles[column + index] = style;
            }
        }
    };

    Row.prototype.cut = function (length) {
        this._characters.length = Math.min(this._characters.length, length);
        if (this._styles) {
            this._styles.length = Math.min(this._styles.length, length);
        }
    };

    Row.prototype.text = function () {
        if (!this._styles) {
            return this._characters.join('');
        }
        var styles = this._styles, last = '';
        var styled = this._characters.map(function (character, index) {
            var style = styles[index] || '', change = style === last ? '' : '\x1b[0m' + style;
            last = style;
            return change + character;
        });
        return styled.join('') + (last ? '\x1b[0m' : '');
    };

    /** The text as it stands on a terminal at the end, with its colours; as it is if that would take very long. */
    var shown = function (text) {
        text = text.replace(NOT_SHOWN, '');
        if (!MOVES.test(text)) {
            return text;
        }
        var screen = new Screen(), token;
        TOKENS.lastIndex = 0;
        while ((token = TOKENS.exec(text)) !== null) {
            if (token[2]) {
                screen.takeEscape(token[0], token[1], token[2]);
            } else {
                screen.take(token[0]);
            }
            if (screen.work > MOST_WORK) {
                return text;
            }
        }
        return screen.text();
    };

    return {shown: shown};
});
