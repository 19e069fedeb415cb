package exchange

import (
	"encoding/hex"
	"fmt"
)

// A TunnelOption is one option of a tunnel's header: in GENEVE a class, which names
// who defined it, a type, and data (RFC 8926, section 3.5).
type TunnelOption struct {
	Class uint16
	Type  uint8 // without the bit that makes it critical
	Data  []byte
}

// Option classes and types with names: those of cloud load balancers and mirrors.
var optionNames = map[[2]uint16]string{
	{0x0108, 1}: "aws_endpoint_id",
	{0x0108, 2}: "aws_attachment_id",
	{0x0108, 3}: "aws_flow_cookie",
	{0x0132, 1}: "gcp_network_id",
	{0x0132, 2}: "gcp_endpoint_id",
	{0x0132, 3}: "gcp_profile_id",
}

// Name returns the option's name, or class and type as 0xCCCC:0xTT.
func (o *TunnelOption) Name() string {
	if name := optionNames[[2]uint16{o.Class, uint16(o.Type)}]; name != "" {
		return name
	}
	return fmt.Sprintf("0x%04x:0x%02x", o.Class, o.Type)
}

// String returns the option as name=data, the data in hex.
func (o *TunnelOption) String() string { return o.Name() + "=" + hex.EncodeToString(o.Data) }
