//go:build !unix

package journal

import "os"

// Own only opens the file: these systems have no lock that ends with the process, so
// two servers on one store are not noticed here.
func Own(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o640)
}
