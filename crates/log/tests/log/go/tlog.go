// Tlog verifies a log in C2SP tlog-tiles form with Go's own sumdb/tlog and sumdb/note, which know nothing of Vidimus:
// the signature of the checkpoint, every entry's inclusion in its tree, that the tree has grown from the tree of every
// size it ever had (or of 1,000 of them), and from every earlier checkpoint that is given. All hashes come from the tiles.
//
//	tlog LOG-DIRECTORY VERIFIER-KEY [EARLIER-CHECKPOINT]...
//
// The first thing that does not hold ends it with status 1.
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
	// Consistency is proven from so many sizes at most.
	maxSizes = 1000
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: tlog LOG-DIRECTORY VERIFIER-KEY [EARLIER-CHECKPOINT]...")
		os.Exit(2)
	}
	if err := verify(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func verify(dir, key string, earlier []string) error {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return fmt.Errorf("the key: %w", err)
	}
	tree, err := openCheckpoint(filepath.Join(dir, "checkpoint"), verifier)
	if err != nil {
		return fmt.Errorf("the checkpoint: %w", err)
	}
	fmt.Printf("checkpoint: %d entries, root %s, signed by %s\n", tree.N, tree.Hash, verifier.Name())
	hashes := &cached{tlog.TileHashReader(tree, tiles(dir)), map[int64]tlog.Hash{}}
	for _, file := range earlier {
		old, err := openCheckpoint(file, verifier)
		if err != nil {
			return fmt.Errorf("the checkpoint %s: %w", file, err)
		}
		if err := verifyGrowth(old, tree, hashes); err != nil {
			return err
		}
	}
	fmt.Printf("consistency: proven from %d earlier checkpoints\n", len(earlier))
	if err := verifyEntries(dir, tree, hashes); err != nil {
		return err
	}
	fmt.Printf("inclusion: %d of %d entries proven\n", tree.N, tree.N)

	step := tree.N/maxSizes + 1
	count := 0
	for size := int64(1); size <= tree.N; size += step {
		root, err := tlog.TreeHash(size, hashes)
		if err != nil {
			return fmt.Errorf("the tree of %d: %w", size, err)
		}
		if err := verifyGrowth(tlog.Tree{N: size, Hash: root}, tree, hashes); err != nil {
			return err
		}
		count++
	}
	fmt.Printf("consistency: proven from %d sizes\n", count)
	return nil
}

// openCheckpoint reads a signed C2SP tlog-checkpoint: origin, size, root.
func openCheckpoint(file string, verifier note.Verifier) (tlog.Tree, error) {
	signed, err := os.ReadFile(file)
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, errors.New("no origin, size and root")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

func verifyEntries(dir string, tree tlog.Tree, hashes *cached) error {
	for first := int64(0); first < tree.N; first += tileWidth {
		width := tree.N - first
		if width > tileWidth {
			width = tileWidth
		}
		// The bundle of entries has the place of the tile of their hashes.
		tile := tlog.Tile{H: tileHeight, L: -1, N: first / tileWidth, W: int(width)}
		path := filepath.Join(dir, strings.Replace(ourPath(tile), "tile/data/", "tile/entries/", 1))
		bundle, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := hashes.fetch(first, width); err != nil {
			return err
		}
		for index := first; index < first+width; index++ {
			if len(bundle) < 2 || len(bundle)-2 < int(binary.BigEndian.Uint16(bundle)) {
				return fmt.Errorf("%s ends before entry %d", path, index)
			}
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			entry := bundle[2:end]
			bundle = bundle[end:]
			proof, err := tlog.ProveRecord(tree.N, index, hashes)
			if err != nil {
				return fmt.Errorf("entry %d: %w", index, err)
			}
			if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry)); err != nil {
				return fmt.Errorf("entry %d: %w", index, err)
			}
		}
		if len(bundle) > 0 {
			return fmt.Errorf("%s goes on after its last entry", path)
		}
	}
	return nil
}

func verifyGrowth(old, tree tlog.Tree, hashes tlog.HashReader) error {
	proof, err := tlog.ProveTree(tree.N, old.N, hashes)
	if err != nil {
		return fmt.Errorf("from %d to %d: %w", old.N, tree.N, err)
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
		return fmt.Errorf("from %d to %d: %w", old.N, tree.N, err)
	}
	return nil
}

// cached keeps hashes that a reader has authenticated, which otherwise hashes whole tiles for each.
type cached struct {
	reader tlog.HashReader
	known  map[int64]tlog.Hash
}

// fetch reads the hashes of one tile's width of entries at once.
func (c *cached) fetch(first, width int64) error {
	var indexes []int64
	for level := 0; level < tileHeight; level++ {
		for n := first >> level; n < (first+width)>>level; n++ {
			indexes = append(indexes, tlog.StoredHashIndex(level, n))
		}
	}
	_, err := c.ReadHashes(indexes)
	return err
}

func (c *cached) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var missing []int64
	for _, index := range indexes {
		if _, known := c.known[index]; !known {
			missing = append(missing, index)
		}
	}
	read, err := c.reader.ReadHashes(missing)
	if err != nil {
		return nil, err
	}
	for at, index := range missing {
		c.known[index] = read[at]
	}
	hashes := make([]tlog.Hash, len(indexes))
	for at, index := range indexes {
		hashes[at] = c.known[index]
	}
	return hashes, nil
}

// tiles is the directory of a log, read tile by tile; the package authenticates each against the root.
type tiles string

func (dir tiles) Height() int { return tileHeight }

func (dir tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var read [][]byte
	for _, tile := range wanted {
		content, err := os.ReadFile(filepath.Join(string(dir), ourPath(tile)))
		if err != nil {
			return nil, err
		}
		read = append(read, content)
	}
	return read, nil
}

func (dir tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// ourPath is the path of a tile in C2SP tlog-tiles, which leaves out the height.
func ourPath(tile tlog.Tile) string {
	return strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", tileHeight), "tile/", 1)
}
