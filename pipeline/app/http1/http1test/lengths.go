package http1test

import (
	"fmt"
	"strings"
)

// Kinds 26 to 30: Content-Length.

var (
	full   = len(Hidden)
	half   = full / 2
	double = full * 2
)

func twoLengths(l *list) {
	for _, xte := range []string{"", "Transfer-Encoding: lalala\r\n"} {
		l.add("equal lengths, junk behind the body "+xte, head(xte, cl(full), cl(full))+Hidden+junk, "dup_cl")
		l.add("equal lengths "+xte, head(xte, cl(full), cl(full))+Hidden, "dup_cl")
		l.add("half and full "+xte, head(xte, cl(half), cl(full))+Hidden, "dup_cl")
		l.add("full and half "+xte, head(xte, cl(full), cl(half))+Hidden, "dup_cl")
		l.add("double and full, as much junk "+xte, head(xte, cl(double), cl(full))+Hidden+junk, "dup_cl").Alt = true
		l.add("full and double, as much junk "+xte, head(xte, cl(full), cl(double))+Hidden+junk, "dup_cl").Alt = true
		l.add("double and full "+xte, head(xte, cl(double), cl(full))+Hidden, "dup_cl")
	}
	for _, bad := range []string{"Content-Length: \r\n", "Content-Length: xxx\r\n"} {
		for _, j := range []string{"", junk} {
			l.add(fmt.Sprintf("full and %q, %d bytes of junk", bad, len(j)), head(cl(full), bad)+Hidden+j, "dup_cl")
			l.add(fmt.Sprintf("%q and full, %d bytes of junk", bad, len(j)), head(bad, cl(full))+Hidden+j, "dup_cl")
		}
	}
}

func foldedLength(l *list) {
	for _, sep := range []string{"\r\n ", " "} {
		v := func(a, b string) string { return "Content-Length: " + a + sep + b + "\r\n" }
		num := func(n int) string { return fmt.Sprint(n) }
		for _, f := range []func(int) string{num, func(n int) string { return fmt.Sprintf("(%d)", n) }} {
			l.add("half, then full, "+show(sep)+f(0), head(v(num(half), f(full)))+Hidden, "bad_cl")
			l.add("full, then half, "+show(sep)+f(0), head(v(num(full), f(half)))+Hidden, "bad_cl")
			l.add("full, then double with junk, "+show(sep)+f(0), head(v(num(full), f(double)))+Hidden+junk, "bad_cl").Alt = true
			l.add("double, then full with junk, "+show(sep)+f(0), head(v(f(double), num(full)))+Hidden+junk, "bad_cl").Alt = true
		}
	}
}

func oddLength(l *list) {
	for _, v := range []string{"%d;", ";%d", ",%d", "%d,", "%[1]d,%[1]d", `"%d"`, "%dA", "A%d", "%d A", "A %d", "\xa0%d", "%d\xa0", "%d.0", "%d.9"} {
		v := fmt.Sprintf(v, full)
		x := l.add("Content-Length: "+show(v)+" and junk", head("Content-Length: "+v+"\r\n")+Hidden+junk, "bad_cl")
		x.Alt = strings.Contains(v, ".")
		l.add("Content-Length: "+show(v), head("Content-Length: "+v+"\r\n")+Hidden, "bad_cl")
	}
	for _, sep := range []string{"_", " ", "\r\n "} {
		v := fmt.Sprintf("Content-Length: %d%s%d\r\n", full/10, sep, full%10)
		l.add(show(sep)+" inside the number", head(v)+Hidden, "bad_cl")
	}
	split := fmt.Sprintf("%d\x00%d", full/10, full%10)
	l.add("NUL inside the number and junk", head("Content-Length: "+split+"\r\n")+Hidden+junk, "bad_cl")
	l.add("NUL inside the number", head("Content-Length: "+split+"\r\n")+Hidden, "bad_cl")
}

func wrongLength(l *list) {
	l.add("junk behind the body", head(cl(full))+Hidden+junk, "unexpected_body")
	l.add("a length of twice the body", head(cl(double))+Hidden, "short_body")
	l.add("a length of half the body", head(cl(half))+Hidden, "unexpected_body").Want = Hidden[:half]
	l.add("a length of 1 GiB", head(cl(1<<30))+Hidden, "short_body")
}

func strangeNumbers(l *list) {
	l.add("a negative length", head(fmt.Sprintf("Content-Length: -%d\r\n", full))+Hidden, "bad_cl")
	l.add("a plus sign", head(fmt.Sprintf("Content-Length: +%d\r\n", full))+Hidden, "bad_cl")
	l.add("a hexadecimal length", head(fmt.Sprintf("Content-Length: 0x%x\r\n", full))+Hidden, "bad_cl")
	l.add("a hexadecimal length and junk", head(fmt.Sprintf("Content-Length: 0x%x\r\n", full))+Hidden+junk, "bad_cl")
	l.add("a thousand zeros", head("Content-Length: "+strings.Repeat("0", 1000)+fmt.Sprint(full)+"\r\n")+Hidden, "bad_cl")
	l.add("a thousand zeros and junk", head("Content-Length: "+strings.Repeat("0", 1000)+fmt.Sprint(full)+"\r\n")+Hidden+junk, "bad_cl")
	for _, v := range []string{"18446744073709551616", "18446744073709551615", "9999999999999999999999"} {
		l.add("a length of "+v, head("Content-Length: "+v+"\r\n")+Hidden, "bad_cl")
	}
	l.add("a length over 32 bits", head(fmt.Sprintf("Content-Length: %d\r\n", 1<<32+full))+Hidden, "short_body")
}
