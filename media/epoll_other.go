//go:build !linux

package media

// Epoll is Linux's; other systems get Sockets.
func Epoll() Backend { return Sockets() }

func defaultBackend() Backend { return Sockets() }
