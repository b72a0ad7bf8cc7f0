// The bytes of a b-tree page (https://sqlite.org/fileformat2.html#b_tree_pages): which are in use, and which
// SQLite will never read again. Pure functions; no byte outside the page is touched, whatever it holds.
#ifndef DOMICILE_PAGE_H
#define DOMICILE_PAGE_H

/// The largest page that SQLite has.
#define DOMICILE_PAGE_MAX 65536

/// Places of a page that nothing refers to, as bits.
enum {
  /// Between the cell pointers and the cells.
  DOMICILE_PAGE_GAP = 1,
  /// A freeblock, after its header of 4 bytes.
  DOMICILE_PAGE_FREEBLOCK = 2,
  /// 1 to 3 bytes, too few for a freeblock.
  DOMICILE_PAGE_FRAGMENT = 4,
};

/// Makes zero what no header, cell pointer, cell or freeblock header covers.
///
/// `usable` is the page's size without the bytes reserved at its end, and `is_first` whether it is page 1,
/// whose first 100 bytes are the header of the file.
///
/// Returns 0 and changes nothing unless the whole page is a sound b-tree page: a known kind, every cell
/// within bounds, nothing overlapping, and as many bytes in fragments as its header counts.
int domicile_page_clean(unsigned char *page, int size, int usable, int is_first);

/// Which places that nothing refers to have a byte that is not zero: the bits above; -1 if the page is not a
/// sound b-tree page.
int domicile_page_unreferenced(const unsigned char *page, int size, int usable, int is_first);

/// Whether the bytes of a page from `from` on are zero, or page numbers of at most `page_max` where a
/// freelist page has them: big-endian, at multiples of 4. A number that begins before `from` may have lost
/// its first bytes. With 0 for `page_max`, whether all are zero.
int domicile_page_is_blank(const unsigned char *page, int size, int from, unsigned int page_max);

#endif
