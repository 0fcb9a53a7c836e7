package main

import (
	"crypto/tls"
	"crypto/x509"
	"log"
	"os"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// security is how the client connects and who it is: INTEROP_AUTHORITY, INTEROP_CERTIFICATE and INTEROP_KEY are files,
// INTEROP_LOGIN is a mechanism, a user and a password. What is not set is not used.
func security() []kgo.Opt {
	found := []kgo.Opt{}
	if authority := os.Getenv("INTEROP_AUTHORITY"); authority != "" {
		found = append(found, kgo.DialTLSConfig(tlsConfig(authority)))
	}
	if login := strings.Split(os.Getenv("INTEROP_LOGIN"), " "); len(login) == 3 {
		switch login[0] {
		case "PLAIN":
			found = append(found, kgo.SASL(plain.Auth{User: login[1], Pass: login[2]}.AsMechanism()))
		case "SCRAM-SHA-256":
			found = append(found, kgo.SASL(scram.Auth{User: login[1], Pass: login[2]}.AsSha256Mechanism()))
		case "SCRAM-SHA-512":
			found = append(found, kgo.SASL(scram.Auth{User: login[1], Pass: login[2]}.AsSha512Mechanism()))
		}
	}
	return found
}

func tlsConfig(authority string) *tls.Config {
	pem, err := os.ReadFile(authority)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if path := os.Getenv("INTEROP_CERTIFICATE"); path != "" {
		pair, err := tls.LoadX509KeyPair(path, os.Getenv("INTEROP_KEY"))
		if err != nil {
			log.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config
}
