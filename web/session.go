package web

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Role is what a client may do.
type Role string

const (
	Nobody Role = ""
	Reader Role = "read"  // may look at everything and change nothing
	Admin  Role = "admin" // may do everything
)

// Session is who a browser is to us.
type Session struct {
	Role      Role   `json:"role"`
	ExpiresMS *int64 `json:"expires_ms"` // null: not bound to a cookie
}

const (
	sessionCookie = "tandem_session"
	sessionTime   = 12 * time.Hour
)

// sessions makes and checks cookies. They carry their meaning and a seal, so nothing is kept
// of them; the seal's key is this process's, and a changed token ends those made with it.
type sessions struct {
	key [32]byte
	now func() time.Time
}

func newSessions() *sessions {
	s := &sessions{now: time.Now}
	rand.Read(s.key[:]) // never fails: crypto/rand
	return s
}

// seal is what makes a cookie ours; token is the one that it was exchanged for.
func (s *sessions) seal(meaning, token string) string {
	m := hmac.New(sha256.New, s.key[:])
	m.Write([]byte(meaning + "\n" + token))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// issue makes the value of a cookie: ROLE.END.SEAL.
func (s *sessions) issue(role Role, token string) (value string, end time.Time) {
	end = s.now().Add(sessionTime).Truncate(time.Second)
	meaning := string(role) + "." + strconv.FormatInt(end.Unix(), 10)
	return meaning + "." + s.seal(meaning, token), end
}

// check says what a cookie's bearer may do, and until when.
func (s *sessions) check(value string, c *Access) (Role, time.Time) {
	i := strings.LastIndexByte(value, '.')
	if i < 0 {
		return Nobody, time.Time{}
	}
	meaning, seal := value[:i], value[i+1:]
	role, text, _ := strings.Cut(meaning, ".")
	token := c.tokenOf(Role(role))
	if token == "" || !hmac.Equal([]byte(seal), []byte(s.seal(meaning, token))) {
		return Nobody, time.Time{}
	}
	unix, err := strconv.ParseInt(text, 10, 64)
	end := time.Unix(unix, 0)
	if err != nil || !s.now().Before(end) {
		return Nobody, time.Time{}
	}
	return Role(role), end
}

// login is what POST /session may carry instead of an Authorization header.
type login struct {
	Token string `json:"token"`
}

// openSession exchanges a token for a cookie that scripts of a page cannot read and that other
// sites' pages do not send.
func (a *API) openSession(r *http.Request) (any, error) {
	c := a.access.Load()
	var given login
	if err := decode(r, &given); err != nil {
		return nil, err
	}
	if c.open() {
		return Session{Role: Admin}, nil
	}
	token := given.Token
	if token == "" {
		var err error
		if token, err = bearer(r); err != nil {
			return nil, err
		}
	}
	role := c.roleOf(token)
	if role == Nobody {
		return nil, problem(http.StatusUnauthorized, "the token is wrong")
	}
	value, end := a.sessions.issue(role, token)
	ms := end.UnixMilli()
	return a.withCookie(value, end, Session{Role: role, ExpiresMS: &ms}), nil
}

// closeSession makes the browser forget its cookie.
func (a *API) closeSession(r *http.Request) (any, error) {
	return a.withCookie("", time.Unix(1, 0), Session{}), nil
}

// showSession tells a page whether it must ask for a token, and what it may do.
func (a *API) showSession(r *http.Request) (any, error) {
	c := a.access.Load()
	if c.open() {
		return Session{Role: Admin}, nil
	}
	out := Session{Role: roleIn(r)}
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		if role, end := a.sessions.check(cookie.Value, c); role == out.Role && role != Nobody {
			ms := end.UnixMilli()
			out.ExpiresMS = &ms
		}
	}
	return out, nil
}

func (a *API) withCookie(value string, end time.Time, body Session) raw {
	return func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{
			Name: sessionCookie, Value: value, Path: "/", Expires: end, HttpOnly: true, SameSite: http.SameSiteStrictMode,
			Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
		})
		a.reply(w, r, http.StatusOK, body)
	}
}
