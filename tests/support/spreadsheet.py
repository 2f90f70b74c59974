# Prints what openpyxl reads in a spreadsheet as JSON: by sheet its view, its filter and its cells.
import datetime
import json
import sys

import openpyxl


def shown(cell):
    value = cell.value
    if isinstance(value, datetime.datetime):
        value = value.isoformat(sep=" ", timespec="milliseconds")
        kind = "date"
    elif isinstance(value, datetime.timedelta):
        value, kind = round(value.total_seconds() * 1000), "length"
    elif isinstance(value, datetime.time):
        value = 1000 * (value.hour * 3600 + value.minute * 60 + value.second) + value.microsecond // 1000
        kind = "length"
    elif value is None:
        kind = "empty"
    else:
        kind = {"n": "number", "s": "text", "inlineStr": "text", "f": "formula"}.get(cell.data_type, cell.data_type)
    return {"value": value, "kind": kind, "format": cell.number_format, "quoted": bool(cell.quotePrefix)}


book = openpyxl.load_workbook(sys.argv[1])
sheets = {}
for sheet in book.worksheets:
    widths = [sheet.column_dimensions[letter].width for letter in sorted(sheet.column_dimensions)]
    sheets[sheet.title] = {
        "freeze": sheet.freeze_panes,
        "filter": sheet.auto_filter.ref,
        "range": sheet.dimensions,
        "narrowest": min(widths),
        "rows": [[shown(cell) for cell in row] for row in sheet.iter_rows()],
    }
made = book.properties
json.dump({"order": book.sheetnames, "sheets": sheets, "title": made.title, "created": str(made.created)}, sys.stdout)
