-- What central holds, as one JSON list in the shape of the golden cases: one object a (machine,
-- production day), decimals as text with the column's digits. `numbered` is true where every
-- table of details counts from 1 to n without a gap.
SELECT coalesce(json_agg(json_build_object(
    'type_cu', c.type_cu,
    'fichier_log_source', s.fichier_log_source,
    'revision', s.revision,
    'numbered', pieces.numbered AND attentes.numbered AND arrets.numbered AND jobs.numbered,
    'session', json_build_object(
        'dossier', c.nom,
        'date_production', to_char(s.date_production, 'YYYY-MM-DD'),
        'total_pieces', s.total_pieces,
        'heure_premiere_piece', to_char(s.heure_premiere_piece, 'YYYY-MM-DD HH24:MI:SS.MS'),
        'heure_derniere_piece', to_char(s.heure_derniere_piece, 'YYYY-MM-DD HH24:MI:SS.MS'),
        'heure_premier_machine_start', to_char(s.heure_premier_machine_start, 'YYYY-MM-DD HH24:MI:SS.MS'),
        'heure_dernier_machine_stop', to_char(s.heure_dernier_machine_stop, 'YYYY-MM-DD HH24:MI:SS.MS'),
        'duree_production_totale', s.duree_production_totale::text,
        'temps_attente', s.temps_attente::text,
        'temps_arret_volontaire', s.temps_arret_volontaire::text,
        'temps_production_effectif', s.temps_production_effectif::text,
        'taux_occupation', s.taux_occupation::text,
        'taux_attente', s.taux_attente::text,
        'taux_arret_volontaire', s.taux_arret_volontaire::text,
        'temps_attente_brut', s.temps_attente_brut::text,
        'temps_arret_brut', s.temps_arret_brut::text,
        'pieces', pieces.list,
        'attentes', attentes.list,
        'arrets', arrets.list,
        'jobs', jobs.list
    )) ORDER BY c.nom, s.date_production), '[]')
FROM session_production s
JOIN centre_usinage c ON c.id = s.centre_usinage_id
CROSS JOIN LATERAL (
    SELECT coalesce(json_agg(json_build_array(
               to_char(d.timestamp_production, 'YYYY-MM-DD HH24:MI:SS.MS'), d.details)
               ORDER BY d.numero_piece), '[]') AS list,
           count(*) = coalesce(max(d.numero_piece), 0)
               AND count(*) = count(DISTINCT d.numero_piece) AS numbered
    FROM piece_production d WHERE d.session_id = s.id) pieces
CROSS JOIN LATERAL (
    SELECT coalesce(json_agg(json_build_array(
               to_char(d.timestamp_debut, 'YYYY-MM-DD HH24:MI:SS.MS'), d.duree_secondes)
               ORDER BY d.numero), '[]') AS list,
           count(*) = coalesce(max(d.numero), 0) AND count(*) = count(DISTINCT d.numero) AS numbered
    FROM periode_attente d WHERE d.session_id = s.id) attentes
CROSS JOIN LATERAL (
    SELECT coalesce(json_agg(json_build_array(
               to_char(d.timestamp_debut, 'YYYY-MM-DD HH24:MI:SS.MS'),
               to_char(d.timestamp_fin, 'YYYY-MM-DD HH24:MI:SS.MS'))
               ORDER BY d.numero), '[]') AS list,
           count(*) = coalesce(max(d.numero), 0) AND count(*) = count(DISTINCT d.numero) AS numbered
    FROM periode_arret d WHERE d.session_id = s.id) arrets
CROSS JOIN LATERAL (
    SELECT coalesce(json_agg(json_build_array(
               to_char(d.timestamp_debut, 'YYYY-MM-DD HH24:MI:SS.MS'),
               d.reference, d.longueur::text, d.couleur)
               ORDER BY d.numero), '[]') AS list,
           count(*) = coalesce(max(d.numero), 0) AND count(*) = count(DISTINCT d.numero) AS numbered
    FROM job_profil d WHERE d.session_id = s.id) jobs;
