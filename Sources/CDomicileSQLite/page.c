#include "domicile_page.h"

#include <stdint.h>
#include <string.h>

// What a byte is; what nothing refers to has the value of its bit.
enum { REFERENCED = 0x80 };

typedef struct {
  const unsigned char *bytes;
  unsigned char *map;
  int usable;
  int kind;
} Page;

static int get2(const unsigned char *at) { return at[0] << 8 | at[1]; }

// A varint that must end before `end`: its length, or 0.
static int get_varint(const unsigned char *at, const unsigned char *end, uint64_t *value) {
  uint64_t result = 0;
  for (int i = 0; i < 9; i++) {
    if (at + i >= end) return 0;
    if (i == 8) {
      *value = result << 8 | at[i];
      return 9;
    }
    result = result << 7 | (at[i] & 0x7F);
    if (at[i] < 0x80) {
      *value = result;
      return i + 1;
    }
  }
  return 0;
}

// The bytes of a cell that lie on this page, or 0 if it goes beyond it.
static int cell_bytes(const Page *page, int start) {
  const unsigned char *cell = page->bytes + start, *at = cell, *end = page->bytes + page->usable;
  uint64_t payload = 0, key;
  int length;
  if (page->kind == 2 || page->kind == 5) {
    if (end - at < 4) return 0;
    at += 4;  // the left child
  }
  if (page->kind != 5) {
    if ((length = get_varint(at, end, &payload)) == 0 || payload > INT32_MAX) return 0;
    at += length;
  }
  if (page->kind == 5 || page->kind == 13) {
    if ((length = get_varint(at, end, &key)) == 0) return 0;
    at += length;
  }
  int64_t usable = page->usable, local = (int64_t)payload;
  int64_t most = page->kind == 13 ? usable - 35 : (usable - 12) * 64 / 255 - 23;
  if (local > most) {
    int64_t least = (usable - 12) * 32 / 255 - 23;
    local = least + (local - least) % (usable - 4);
    if (local > most) local = least;
    local += 4;  // the first overflow page
  }
  int64_t bytes = at - cell + local;
  // SQLite gives the smallest cells 4 bytes too, so that a freeblock fits in their place.
  if (bytes < 4) bytes = 4;
  return bytes <= usable - start ? (int)bytes : 0;
}

// Marks bytes that were not marked before.
static int claim(const Page *page, int start, int count, unsigned char mark) {
  for (int i = start; i < start + count; i++) {
    if (page->map[i] != DOMICILE_PAGE_FRAGMENT) return 0;
    page->map[i] = mark;
  }
  return 1;
}

// Says of each byte of a page what it is; 0 if the page is not a sound b-tree page.
static int map_page(
    const unsigned char *bytes, int size, int usable, int is_first, unsigned char *map) {
  if (size < 512 || size > DOMICILE_PAGE_MAX || usable < 480 || usable > size) return 0;
  int header = is_first ? 100 : 0;
  int kind = bytes[header];
  if (kind != 2 && kind != 5 && kind != 10 && kind != 13) return 0;
  Page page = {bytes, map, usable, kind};

  int pointers = header + (kind == 2 || kind == 5 ? 12 : 8);
  int cells = get2(bytes + header + 3);
  int gap = pointers + 2 * cells;
  int content = get2(bytes + header + 5);
  if (content == 0) content = 65536;
  if (gap > content || content > usable) return 0;
  memset(map, REFERENCED, gap);
  memset(map + gap, DOMICILE_PAGE_GAP, content - gap);
  // What is left of this mark in the end is fragments.
  memset(map + content, DOMICILE_PAGE_FRAGMENT, usable - content);
  memset(map + usable, REFERENCED, size - usable);
  int unclaimed = usable - content;

  for (int i = 0; i < cells; i++) {
    int start = get2(bytes + pointers + 2 * i);
    if (start < content || start > usable - 4) return 0;
    int count = cell_bytes(&page, start);
    if (count == 0 || !claim(&page, start, count, REFERENCED)) return 0;
    unclaimed -= count;
  }
  int least = content;
  for (int start = get2(bytes + header + 1); start != 0; start = get2(bytes + start)) {
    if (start < least || start > usable - 4) return 0;
    int count = get2(bytes + start + 2);
    if (count < 4 || count > usable - start) return 0;
    if (!claim(&page, start, 4, REFERENCED)) return 0;
    if (!claim(&page, start + 4, count - 4, DOMICILE_PAGE_FREEBLOCK)) return 0;
    unclaimed -= count;
    least = start + count;
  }
  return unclaimed == bytes[header + 7];
}

int domicile_page_clean(unsigned char *page, int size, int usable, int is_first) {
  unsigned char map[DOMICILE_PAGE_MAX];
  if (!map_page(page, size, usable, is_first, map)) return 0;
  for (int i = 0; i < size; i++) page[i] = map[i] == REFERENCED ? page[i] : 0;
  return 1;
}

int domicile_page_unreferenced(const unsigned char *page, int size, int usable, int is_first) {
  unsigned char map[DOMICILE_PAGE_MAX];
  if (!map_page(page, size, usable, is_first, map)) return -1;
  int found = 0;
  for (int i = 0; i < size; i++) found |= page[i] != 0 ? map[i] : 0;
  return found & ~REFERENCED;
}

int domicile_page_is_blank(
    const unsigned char *page, int size, int from, unsigned int page_max) {
  for (int start = from; start < size;) {
    int end = start / 4 * 4 + 4;
    if (end > size) end = size;
    uint32_t number = 0;
    for (; start < end; start++) number = number << 8 | page[start];
    if (number > page_max) return 0;
  }
  return 1;
}
