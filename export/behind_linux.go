package export

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// behindWindow is how much of a file is sent to the disk at a time, bytes.
const behindWindow = 32 << 20

// behind has the disk follow the writing of a long file at two windows' distance, and
// drops from memory what is on the disk. So the last sync has little to wait for, memory
// that was just used is used again, and the file does not push out of the page cache
// what is worth more, such as the inputs. The last two windows stay in memory: files
// shorter than that are not touched.
type behind struct {
	written, sent int64 // bytes of the file
	off           bool  // the system or the file cannot do it
}

// follow notes that n more bytes were written to f. An error is one of the disk, which
// later calls would not tell again.
func (b *behind) follow(f *os.File, n int64) error {
	b.written += n
	for !b.off && b.written-b.sent >= behindWindow {
		if err := b.send(f); err != nil {
			return err
		}
	}
	return nil
}

// send starts writing the window at sent and waits for the one before.
func (b *behind) send(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		b.off = true
		return nil
	}
	const whole = unix.SYNC_FILE_RANGE_WAIT_BEFORE | unix.SYNC_FILE_RANGE_WRITE | unix.SYNC_FILE_RANGE_WAIT_AFTER
	at := b.sent
	b.sent += behindWindow
	var bad error
	err = conn.Control(func(fd uintptr) {
		if bad = unix.SyncFileRange(int(fd), at, behindWindow, unix.SYNC_FILE_RANGE_WRITE); bad != nil || at == 0 {
			return
		}
		if bad = unix.SyncFileRange(int(fd), at-behindWindow, behindWindow, whole); bad == nil {
			// Advice: what is not dropped only stays.
			_ = unix.Fadvise(int(fd), at-behindWindow, behindWindow, unix.FADV_DONTNEED)
		}
	})
	if err == nil {
		err = bad
	}
	for _, e := range []error{unix.EIO, unix.ENOSPC, unix.EDQUOT} {
		if errors.Is(err, e) {
			return os.NewSyscallError("sync_file_range", err)
		}
	}
	b.off = err != nil
	return nil
}
