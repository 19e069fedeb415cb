package vxlan

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// udpSegmentation is the kernel's name of the feature of an interface that takes several
// datagrams in one piece (NETIF_F_GSO_UDP_L4).
const udpSegmentation = "tx-udp-segmentation"

// featureNames is the set of strings that are the names of features (ETH_SS_FEATURES).
const featureNames = 4

// undivided reports whether what is sent in one piece by an interface arrives in one piece
// at its other end, which is on this host, in a container for example: who only sniffs
// there, as ingestors of mirrored traffic do, takes the piece for one packet. Sockets get
// it divided, and so they do on loopback. An interface that was told not to take pieces
// ("ethtool -K IF tx-udp-segmentation off") has them divided by the kernel before.
func undivided(name string) bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil || name == "" {
		return false
	}
	defer unix.Close(fd)
	info, err := unix.IoctlGetEthtoolDrvinfo(fd, name)
	if err != nil {
		return false
	}
	if !slices.Contains([]string{"veth", "bridge", "tun"}, unix.ByteSliceToString(info.Driver[:])) {
		return false
	}
	on, known := feature(fd, name, udpSegmentation)
	return on || !known
}

// feature reports whether the interface has a feature switched on (linux/ethtool.h).
func feature(fd int, iface, name string) (on, known bool) {
	const setInfo, stringLen, blockLen = 16 + 4, 32, 16
	info := make([]byte, setInfo) // struct ethtool_sset_info
	binary.NativeEndian.PutUint32(info, unix.ETHTOOL_GSSET_INFO)
	binary.NativeEndian.PutUint64(info[8:], 1<<featureNames)
	if !ethtool(fd, iface, info) {
		return false, false
	}
	count := binary.NativeEndian.Uint32(info[16:])
	if count == 0 || count > 1024 {
		return false, false
	}
	names := make([]byte, 12+count*stringLen) // struct ethtool_gstrings
	binary.NativeEndian.PutUint32(names, unix.ETHTOOL_GSTRINGS)
	binary.NativeEndian.PutUint32(names[4:], featureNames)
	binary.NativeEndian.PutUint32(names[8:], count)
	blocks := (count + 31) / 32
	states := make([]byte, 8+blocks*blockLen) // struct ethtool_gfeatures
	binary.NativeEndian.PutUint32(states, unix.ETHTOOL_GFEATURES)
	binary.NativeEndian.PutUint32(states[4:], blocks)
	if !ethtool(fd, iface, names) || !ethtool(fd, iface, states) {
		return false, false
	}
	for i := range count {
		s := names[12+i*stringLen:][:stringLen]
		if string(bytes.TrimRight(s, "\x00")) == name {
			active := binary.NativeEndian.Uint32(states[8+i/32*blockLen+8:])
			return active>>(i%32)&1 == 1, true
		}
	}
	return false, false
}

// ethtool asks the kernel about an interface; arg is the request, and takes the answer.
func ethtool(fd int, iface string, arg []byte) bool {
	var req struct { // struct ifreq
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [24 - unsafe.Sizeof(uintptr(0))]byte
	}
	copy(req.name[:unix.IFNAMSIZ-1], iface)
	req.data = unsafe.Pointer(&arg[0])
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
	runtime.KeepAlive(arg)
	return errno == 0
}
