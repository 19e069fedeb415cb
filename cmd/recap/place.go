package main

import (
	"os"

	"recap/export"
	"recap/reader/blob"
)

// openDir opens an output directory, on a disk or in a storage account.
func openDir(chosen *selection, out string, overwrite bool) (*export.Dir, error) {
	at, err := openPlace(chosen, out)
	if err != nil {
		return nil, err
	}
	return export.OpenAt(at, overwrite)
}

// openExisting opens a directory that must be there.
func openExisting(chosen *selection, dir string) (export.Place, error) {
	if blob.IsURL(dir) {
		return openRemote(chosen, dir)
	}
	if _, err := os.Stat(dir); err != nil {
		return nil, err
	}
	return export.OpenDisk(dir)
}

// openPlace opens where out is.
func openPlace(chosen *selection, out string) (export.Place, error) {
	if !blob.IsURL(out) {
		return export.OpenDisk(out)
	}
	return openRemote(chosen, out)
}
