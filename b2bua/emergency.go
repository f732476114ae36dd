package b2bua

import "slices"

// SetEmergency replaces the numbers that pass every limit, for calls that come from now on.
func (s *Server) SetEmergency(numbers []string) {
	list := slices.Clone(numbers)
	s.urgent.Store(&list)
}

// emergency reports whether a number passes every limit.
func (s *Server) emergency(number string) bool {
	list := s.urgent.Load()
	return list != nil && slices.Contains(*list, number)
}
