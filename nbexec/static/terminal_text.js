/**
 * What a terminal would show of a text that moves the cursor up, as nested progress bars do. Notebook's renderer knows
 * carriage returns and backspaces only, and repeats each line instead.
 */
define(function () {
    "use strict";

    var MOVES = /\x1b\[[\d;]*[A-HJK]/;
    var TOKENS = /\x1b\[([0-?]*)[ -/]*([@-~])|[\s\S]/g;
    // Links, titles and sets of characters: what they are about is in the text, too, or nothing that a page can show.
    var NOT_SHOWN = /\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()][0-9A-Z]|\x1b[=>78]/g;

    var LINES = {A: -1, B: 1, E: 1, F: -1}, COLUMNS = {C: 1, D: -1};
    var WIDTH = 240;  // columns; no escape moves the cursor farther, nor below the last line

    /** @constructor */
    var Screen = function () {
        this._rows = [[]];
        this._row = this._column = 0;
        this._style = '';  // escapes that set the colours of what comes next
    };

    Screen.prototype._place = function (row, column) {
        this._row = Math.max(Math.min(row, this._rows.length - 1), 0);
        this._column = Math.max(Math.min(column, Math.max(this._column, WIDTH)), 0);
    };

    Screen.prototype.take = function (character) {
        if (character === '\n') {
            this._row += 1;
            this._column = 0;
            if (this._row === this._rows.length) {
                this._rows.push([]);
            }
        } else if (character === '\r') {
            this._column = 0;
        } else if (character === '\b') {
            this._column = Math.max(this._column - 1, 0);
        } else {
            this._rows[this._row][this._column] = {style: this._style, text: character};
            this._column += 1;
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
        } else if (command === 'J' || command === 'K') {
            this._erase(values, command === 'J');
        } else if (command === 'm') {
            this._style = /^0*$/.test(values) ? '' : this._style + escape;
        }
    };

    /** Erase to the end, with '1' to the begin, with '2' all; of the line, or of all lines. */
    Screen.prototype._erase = function (part, isOfAll) {
        var row = this._rows[this._row];
        if (part === '1') {
            row.fill(undefined, 0, this._column);
        } else {
            this._rows[this._row] = part === '' || part === '0' ? row.slice(0, this._column) : [];
        }
        if (isOfAll) {
            this._rows = this._rows.map(function (other, index) {
                var isErased = part === '1' ? index < this._row : index > this._row || part === '2' || part === '3';
                return isErased ? [] : other;
            }, this);
        }
    };

    Screen.prototype.text = function () {
        var style = '';
        return this._rows.map(function (row) {
            return Array.from(row, function (cell) {
                cell = cell || {style: '', text: ' '};
                var change = cell.style === style ? '' : '\x1b[0m' + cell.style;
                style = cell.style;
                return change + cell.text;
            }).join('');
        }).join('\n');
    };

    /** The text as it stands on a terminal at the end, with its colours. */
    var shown = function (text) {
        text = text.replace(NOT_SHOWN, '');
        if (!MOVES.test(text)) {
            return text;
        }
        var screen = new Screen();
        text.replace(TOKENS, function (token, values, command) {
            if (command) {
                screen.takeEscape(token, values, command);
            } else {
                screen.take(token);
            }
        });
        return screen.text();
    };

    return {shown: shown};
});
