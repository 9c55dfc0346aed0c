/**
 * What a terminal would show of a text that moves the cursor up, as nested progress bars do. Notebook's renderer knows
 * carriage returns and backspaces only, and repeats each line instead.
 */
define(function () {
    "use strict";

    var MOVES = /\x1b\[\d*[ABK]/;
    var TOKENS = /\x1b\[([\d;]*)([A-Za-z])|[\s\S]/g;

    /** @constructor */
    var Screen = function () {
        this._rows = [[]];
        this._row = this._column = 0;
        this._style = '';  // escapes that set the colours of what comes next
    };

    Screen.prototype._moveTo = function (row) {
        this._row = Math.max(row, 0);
        while (this._rows.length <= this._row) {
            this._rows.push([]);
        }
    };

    Screen.prototype.take = function (character) {
        if (character === '\n') {
            this._moveTo(this._row + 1);
            this._column = 0;
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
        if (command === 'A' || command === 'B') {
            this._moveTo(this._row + (command === 'A' ? -1 : 1) * (Number(values) || 1));
        } else if (command === 'K') {
            this._rows[this._row] = values === '2' ? [] : this._rows[this._row].slice(0, this._column);
        } else if (command === 'm') {
            this._style = /^0*$/.test(values) ? '' : this._style + escape;
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

    /** The text as it stands on a terminal at the end; the same text if it does not move the cursor up or down. */
    var shown = function (text) {
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
