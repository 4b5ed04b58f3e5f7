// Command sbom says what is in an image: the Go modules that its programs were built of, and Debian's packages.
//
// It follows BuildKit's protocol for SBOM generators (docs/attestations/sbom-protocol.md there): for each file system it
// is given, one in-toto statement with an SPDX document.
package main

import (
	"bufio"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

type statement struct {
	Type          string   `json:"_type"`
	PredicateType string   `json:"predicateType"`
	Subject       []any    `json:"subject"`
	Predicate     document `json:"predicate"`
}

type document struct {
	ID            string         `json:"SPDXID"`
	Version       string         `json:"spdxVersion"`
	License       string         `json:"dataLicense"`
	Name          string         `json:"name"`
	Namespace     string         `json:"documentNamespace"`
	Creation      creation       `json:"creationInfo"`
	Packages      []pkg          `json:"packages"`
	Relationships []relationship `json:"relationships"`
}

type creation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

type pkg struct {
	ID       string      `json:"SPDXID"`
	Name     string      `json:"name"`
	Version  string      `json:"versionInfo,omitempty"`
	Download string      `json:"downloadLocation"`
	Source   string      `json:"sourceInfo,omitempty"`
	Refs     []reference `json:"externalRefs,omitempty"`
}

type reference struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type relationship struct {
	Element string `json:"spdxElementId"`
	Related string `json:"relatedSpdxElement"`
	Kind    string `json:"relationshipType"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run() error {
	source, destination := os.Getenv("BUILDKIT_SCAN_SOURCE"), os.Getenv("BUILDKIT_SCAN_DESTINATION")
	if source == "" || destination == "" {
		return fmt.Errorf("BUILDKIT_SCAN_SOURCE and BUILDKIT_SCAN_DESTINATION must be set")
	}
	roots := []string{source}
	if extras := os.Getenv("BUILDKIT_SCAN_SOURCE_EXTRAS"); extras != "" {
		found, err := os.ReadDir(extras)
		if err != nil && !os.IsNotExist(err) {
			return err
		}
		for _, one := range found {
			roots = append(roots, filepath.Join(extras, one.Name()))
		}
	}
	for _, root := range roots {
		packages, err := scan(root)
		if err != nil {
			return err
		}
		name := filepath.Base(root)
		made := statement{
			Type:          "https://in-toto.io/Statement/v0.1",
			PredicateType: "https://spdx.dev/Document",
			Subject:       []any{},
			Predicate:     spdx(name, packages),
		}
		text, err := json.MarshalIndent(made, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(destination, name+".spdx.json"), text, 0o644); err != nil {
			return err
		}
		fmt.Printf("sbom: %s: %d packages\n", name, len(packages))
	}
	return nil
}

// scan finds the packages under a root, each once, in order.
func scan(root string) ([]pkg, error) {
	found := map[string]pkg{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			return err
		}
		built, err := buildinfo.ReadFile(path)
		if err != nil {
			return nil // no Go program
		}
		where, _ := filepath.Rel(root, path)
		add(found, "golang", "stdlib", strings.TrimPrefix(built.GoVersion, "go"), where)
		add(found, "golang", built.Main.Path, built.Main.Version, where)
		for _, one := range built.Deps {
			if one.Replace != nil {
				one = one.Replace
			}
			add(found, "golang", one.Path, one.Version, where)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := debian(found, filepath.Join(root, "var/lib/dpkg/status")); err != nil {
		return nil, err
	}
	packages := make([]pkg, 0, len(found))
	for _, one := range found {
		packages = append(packages, one)
	}
	sort.Slice(packages, func(a, b int) bool { return packages[a].ID < packages[b].ID })
	return packages, nil
}

func debian(found map[string]pkg, status string) error {
	file, err := os.Open(status)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	lines, name := bufio.NewScanner(file), ""
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "Package: "); ok {
			name = value
		} else if value, ok := strings.CutPrefix(lines.Text(), "Version: "); ok {
			add(found, "deb/debian", name, value, "var/lib/dpkg/status")
		}
	}
	return lines.Err()
}

func add(found map[string]pkg, kind, name, version, where string) {
	if name == "" {
		return
	}
	locator := "pkg:" + kind + "/" + name
	if version != "" {
		locator += "@" + version
	}
	sum := sha256.Sum256([]byte(locator))
	found[locator] = pkg{
		ID:       "SPDXRef-Package-" + hex.EncodeToString(sum[:8]),
		Name:     name,
		Version:  version,
		Download: "NOASSERTION",
		Source:   "found in /" + where,
		Refs:     []reference{{"PACKAGE-MANAGER", "purl", locator}},
	}
}

func spdx(name string, packages []pkg) document {
	hash := sha256.New()
	relationships := []relationship{}
	for _, one := range packages {
		fmt.Fprintln(hash, one.ID)
		relationships = append(relationships, relationship{"SPDXRef-DOCUMENT", one.ID, "DESCRIBES"})
	}
	return document{
		ID:            "SPDXRef-DOCUMENT",
		Version:       "SPDX-2.3",
		License:       "CC0-1.0",
		Name:          name,
		Namespace:     "https://lab.invalid/spdx/" + name + "-" + hex.EncodeToString(hash.Sum(nil)[:16]),
		Creation:      creation{time.Now().UTC().Format(time.RFC3339), []string{"Tool: lab-sbom-1"}},
		Packages:      packages,
		Relationships: relationships,
	}
}
