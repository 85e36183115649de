INSERT INTO hr.departments VALUES (1, 'Research', 900000), (2, 'Sales', 400000), (3, 'Support', 250000.50);
INSERT INTO hr.people VALUES
 (1, 'Ada',   1, '2019-02-01', ROW('Elm Street 4', 'Bath'), 'zorvex-quillan-01', 48613.27, '1961-03-17', '{"medical": "brenwick", "level": 7}', '\x6b72656c6c6174', '{plimsoth,dravenook}', 'a0e0f3b2-6f7e-4c1b-9d58-3c0b1fd1e001'),
 (2, 'Bela',  2, '2020-07-15', ROW('Oak Lane 12', 'Ely'),   'zorvex-marrow-02',  71950.84, '1974-11-02', '{"medical": "talcoven", "level": 3}', '\x676f72616e7478', '{yarrowick}', 'b1e0f3b2-6f7e-4c1b-9d58-3c0b1fd1e002'),
 (3, 'Chidi', 2, '2021-01-11', NULL,                        'zorvex-osprin-03',  39127.55, '1988-06-29', '{"medical": "ulverine", "level": 5}', '\x6d6f6c62756e',   '{}', 'c2e0f3b2-6f7e-4c1b-9d58-3c0b1fd1e003'),
 (4, 'Dana',  NULL, '2023-09-30', ROW('Hill 1', 'Ware'),    'zorvex-penduk-04',  90244.19, '1992-12-24', '{"medical": "wexmoor", "level": 1}',  '\x74726976756c',   '{snellgar,wopkin,thrumb}', 'd3e0f3b2-6f7e-4c1b-9d58-3c0b1fd1e004');
INSERT INTO hr.reviews VALUES (1, 1, 5, 'grumbleworth excels'), (2, 2, 3, 'fendlecott adequate'), (3, 2, 4, 'haskelby improved'), (4, 4, 1, 'jostrum failing');
INSERT INTO public.cards VALUES (1, 'Ada', 'kx-77120-vorple'), (2, 'Bela', 'kx-40981-sibbet');
